"""Words beside a number that say what it is, as parts of patterns, in the languages of many scripts."""

from __future__ import annotations

# In alphabets whose words have borders: whole words, and the beginnings of those that take endings.
_WORDS = (
    "t[eé]l", "telp", "telf", "tlf", "tlph", "hub", "fono?", "f[oóòõ]+nu?", "gsm", "(?-i:HP|WA)", "hape", "cep", "cell", "mobile?", "mob", "puh", "simu", "waya",
    "đt", "sđt", "dđ", "call", "dial", "ring", "rele", "pè", "gọi", "contact", "тел", "моб", "τηλ", "κιν", "טל", "טל['׳״]", "נייד", "פקס", "հեռ", "ტელ", "მობ",
)  # fmt: skip
_BEGINNINGS = (
    "telef[oóòu]", "t[eé]l[eé]ph", "tẹlif", "taleefa", "tilifo", "phone", "phoni", "ffôn", "ffoni", "guthán", "mobilni", "mobiltel", "mobiil", "mobail", "celular", "whats ?app",
    "wa\\.me", "viber", "faks", "fax", "puheli", "matkapuh", "kännyk", "soit(?:a|taa|tamalla|taess)", "hubungi", "menghubungi", "panggil", "kontak", "wasilian",
    "điện thoại", "di động", "tổng đài", "liên hệ", "hotline", "helpline", "çağrı merkezi", "ara(?:yın|yabilir|yarak)", "iletişim", "sími", "síma", "hringdu",
    "(?:piga|(?:ni|tu|m)?pigi[ae])(?! kura)", "hamagara", "wayar", "ucingo", "umnxeba", "shayela", "bilbila", "finday", "antsoy", "[cċ]empel", "kpọọ", "nọ́mbà ọ̀fẹ́",
    "телеф", "мобил", "факс", "утас", "ұялы", "звон", "байланыс", "τηλέ?φ", "κινητ", "հեռախ", "ტელეფ", "მობილ", "טלפון", "פלאפון",
)  # fmt: skip
# Of scripts that are written without spaces, with prefixes, or with marks that Python takes for the end of a word.
_ANYWHERE = (
    "โทร", "เบอร์", "มือถือ", "แฟกซ์", "แฟกส์", "สายด่วน", "ติดต่อ", "ໂທ", "ເບີ", "ແຟັກ", "ទូរស័ព្ទ", "ទូរសព្ទ", "ទាក់ទង", "ဖုန်း", "ဆက်သွယ်",
    "फ़?ोन", "फैक्स", "फ्याक्स", "मोबा", "मो\\.", "फो\\.", "दूरभाष", "दूरध्वनी", "भ्रमणध्वनी", "टेलि", "व्हाट्स", "ह्वाट्स", "हेल्पलाइन", "संपर्क", "सम्पर्क", "कॉल",
    "ফোন", "মোবা", "দূরভাষ", "দুরালাপ", "ফ্যাক্স", "হোয়াটস", "হটলাইন", "যোগাযোগ", "ਫ਼?ੋਨ", "ਮੋਬਾ", "ਸੰਪਰਕ", "ફોન", "મોબા", "મો\\.", "સંપર્ક",
    "ଫୋନ", "ମୋବା", "ଦୂରଭାଷ", "ଯୋଗାଯୋଗ", "தொலைபேசி", "கைபேசி", "அலைபேசி", "மொபை", "போன்", "ஃபோன்", "அழைக்க", "தொடர்பு", "ఫోన్", "మొబై", "సెల్", "సంప్రది",
    "ಫೋನ್", "ದೂರವಾಣಿ", "ಮೊಬೈ", "ಮೊ[:.]", "ಕರೆ ಮಾಡಿ", "ഫോൺ", "ഫോണ്", "മൊബൈ", "വിളിക്ക", "දුරකථන", "දුරකතන", "ජංගම", "අමතන්න", "ཁ་པར",
    "فون", "موبا", "واٹس", "فیکس", "رابط", "ربط", "کال کر", "تلفن", "تلیفون", "همراه", "نمابر", "فکس", "تماس", "هاتف", "جوال", "فاكس", "ټيلي", "ټلیف", "تېلېفون",
    "تەلەفۆن", "مۆبایل", "ስልክ", "ስልኪ", "ፋክስ", "ሞባይል", "ይደውሉ", "电话", "電話", "手机", "手機", "致电", "拨打", "携帯", "전화", "휴대", "핸드폰", "\u260e", "\u260f", "\U0001f4de", "\U0001f4f1", "\U0001f4f2",
)  # fmt: skip
WORD_END = r"(?![^\W\d_])"
TELEPHONE_WORDS = rf"(?:\b(?:(?:{'|'.join(_WORDS)}){WORD_END}|{'|'.join(_BEGINNINGS)})|{'|'.join(_ANYWHERE)})"

# Of books and goods.
PRODUCT_WORDS = "|".join(
    (
        "isb[nm]", "issn", r"\bean\b", r"\bupc\b", r"\bgtin\b", r"\bsku\b", "bar ?code", "barkod", "msimbo pau", "kode batang", "viivakood", "mã vạch",
        "штрих-?код", "बार ?कोड", "বার ?কোড", "بار ?کوڈ", "بارکد", "บาร์โค้ด", "条形?码", "आई\\.?एस\\.?बी\\.?एन", "আইএসবিএন", "آئی ایس بی این", "شابک",
    )
)  # fmt: skip
# Of these, of accounts, bills, registers and boxes of the post.
ACCOUNT_WORDS = "|".join(
    (
        PRODUCT_WORDS, r"\bdoi\b", "iban", r"\bacc(?:oun)?t", r"\bacc?\.? ?n[or]\b", r"\ba/c", "akaunti", "rekening", "norek", r"\bhesap", "tài khoản", r"\bstk\b",
        r"\btili(?:n|numero|ltä|lle)?\b", "invoice", r"\blasku", r"\border\b", "faktur", "serial", "sarjan", "usajili", r"\bvergi", r"\bref\b", "viite", "diaari", r"\bni[pks]n?\b",
        "kode pos", "kumb", r"\bs\.? ?l\.? ?p", r"\bp\.? ?o\.? ?box", "mã số", "खाता", "खाते", "दर्ता", "পঞ্জীকরণ", "हिसाब", "হিসাব নম্বর",
        "অ্যাকাউন্ট", "একাউন্ট", "নিবন্ধন", "اکاؤنٹ", "کھاتہ", "شماره حساب", "رقم الحساب", "เลขที่บัญชี", "เลขบัญชี", "บัญชีเลขที่",
        "ทะเบียน", "เลขประจำตัว", "ເລກບັນຊີ", r"\bсч[её]т", r"\bшот", "கணக்கு", "ఖాతా", "ಖಾತೆ", "അക്കൗണ്ട്", "ખાતા", "ගිණුම්", "የሂሳብ",
    )
)  # fmt: skip
CURRENCY_WORDS = "|".join(
    (
        rf"eur(?:oa?|os|a)?{WORD_END}", "usd", "dola", "doll?ar", "rupi", "rupe", r"rs\b", r"tl\b", "lira", "đồng", "vnd", r"kr\b", "naira", "shil", "[kt]sh", "baht",
        "сом", "сум", "тенге", "теңге", "төгрөг", "руб", "млн", "रु", "रू", "টাকা", "ரூபா", "రూపా", "ರೂಪಾ", "രൂപ", "રૂપિ", "ਰੁਪ", "روپ", "تومان", "ریال", "دینار",
        "دينار", "บาท", "ກີບ", "រៀល", "ကျပ်", "ብር", "ლარ", "դրամ", "ש״ח", "ihmis", "kappale", r"kpl\b", r"kg\b", r"km\b",
    )
)  # fmt: skip
