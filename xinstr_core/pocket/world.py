"""check (temporary)"""
import re, sys, tomllib, unicodedata, collections, pathlib
tag = sys.argv[1]
root = pathlib.Path(__file__).parent / "world"
d = tomllib.loads((root / f"{tag}.toml").read_text())
en = tomllib.loads((root / "en.toml").read_text())
P = []
for k in ("people", "places"):
    if len(set(d[k])) != 24: P.append(f"{k}: {len(set(d[k]))} distinct, want 24")
if set(d["intents"]) != set(en["intents"]): P.append(f"intents differ {set(d['intents']) ^ set(en['intents'])}")
seen = collections.Counter(); subs = collections.Counter()
for name, it in d["intents"].items():
    ns = 24 if tag == "en" else 40
    if len(set(it["subjects"])) != ns: P.append(f"{name}: {len(set(it['subjects']))} distinct subjects, want {ns}")
    subs.update(it["subjects"])
    if len(set(it["items"])) != 12: P.append(f"{name}: {len(set(it['items']))} items")
    for part, n in (("openings", 5), ("details", 9), ("closings", 4), ("instructions", 5 if tag == "en" else 4)):
        if len(it[part]) != n: P.append(f"{name}.{part}: {len(it[part])}, want {n}")
        with_s = sum("{subject}" in s for s in it[part])
        if with_s < (5 if part == "details" else n): P.append(f"{name}.{part}: only {with_s} with {{subject}}")
        for s in it[part]:
            seen[s] += 1
            if set(re.findall(r"{(\w+)}", s)) - {"subject", "item", "number", "place", "person"}: P.append(f"unknown slot: {s}")
            if max(collections.Counter(re.findall(r"{(\w+)}", s)).values(), default=0) > 1: P.append(f"slot twice: {s}")
            if re.search(r"}\s*{", s) and not (tag == "en"): P.append(f"slots without a word between: {s}")
            if re.search(r"}[^\s.,?!।۔؟{]" if tag != "th" else r"$^", s): P.append(f"something glued to a slot: {s}")
            if tag != "th" and part != "instructions" and s[-1] not in ".!।۔": P.append(f"no end mark: {s}")
            if tag != "th" and re.search(r"[.!?।۔؟]\s", s): P.append(f"end mark inside: {s}")
            if tag == "th" and " " in s: P.append(f"space inside: {s}")
            if part != "instructions" and not (25 <= len(s) <= 120): P.append(f"length {len(s)}: {s}")
    for v in it["subjects"] + it["items"] + d["people"] + d["places"]:
        if unicodedata.normalize("NFC", v) != v: P.append(f"not NFC: {v}")
        if re.search(r"[0-9.!?।۔؟\"():,]", v): P.append(f"punctuation or digit: {v}")
        if tag == "th" and " " in v: P.append(f"space in {v}")
P += [f"sentence twice: {s}" for s, n in seen.items() if n > 1] + [f"subject twice: {s}" for s, n in subs.items() if n > 1]
P += [f"place is a subject: {s}" for s in d["places"] if s in subs]
names = list(subs)
nested = [(a, b) for a in names for b in names if a != b and a in b]
print(f"{len(P)} problems"); print("\n".join(dict.fromkeys(P)))
print(f"(information) subjects contained in others: {len(nested)}: {nested[:15]}")
