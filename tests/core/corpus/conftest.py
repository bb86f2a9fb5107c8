"""A sentence of each language, from the Universal Declaration of Human Rights: its script and its text."""

from __future__ import annotations

SENTENCES = {
    "bn": ("Beng", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।"),
    "eu": ("Latn", "Gizon-emakume guztiak aske jaiotzen dira, duintasun eta eskubide berberak dituztela."),
    "en": ("Latn", "All human beings are born free and equal in dignity and rights."),
    "fi": ("Latn", "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."),
    "hi": ("Deva", "उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।"),
    "sw": ("Latn", "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa."),
    "ta": ("Taml", "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்."),
    "th": ("Thai", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ"),
    "tr": ("Latn", "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar."),
    "ur": ("Arab", "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔"),
    "vi": ("Latn", "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền."),
}
