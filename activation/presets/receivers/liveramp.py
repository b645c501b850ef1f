"""LiveRamp Connect: column-based files for the activation workflow."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Others, Page, Preset

_ADDRESS = ("FIRSTNAME", "LASTNAME", "ADDRESS1", "CITY", "STATE", "ZIP")

PRESET = Preset(
    receiver="LiveRamp Connect, column-based file",
    about="Identifiers, and segment data beside them; names and addresses are never hashed, e-mail addresses may be.",
    headers=(
        Header("FIRSTNAME", "a given name", ("first_name", "given_name"), ("trim",)),
        Header("LASTNAME", "a family name", ("last_name", "family_name", "surname"), ("trim",)),
        Header("ADDRESS1", "street and number, on one line", ("address", "street"), ("trim",)),
        Header("ADDRESS2", "more of the address", (), ("trim",)),
        Header("CITY", "a city", (), ("trim",)),
        Header("STATE", "a state", (), ("trim",)),
        Header(
            "ZIP", "a ZIP code of 5 or 9 digits", ("zip_code", "postal_code", "postcode"), ("trim", "strip_punctuation")
        ),
        Header(
            "EMAIL1", "an e-mail address, in plain", ("email", "email_address", "e_mail", "mail"), ("trim", "lower")
        ),
        Header("EMAIL1_SHA-256", "an e-mail address hashed with SHA-256", (), ("trim", "lower", HASHED), "always"),
        Header(
            "EMAIL1_SHA-1",
            "an e-mail address hashed with SHA-1",
            (),
            ("trim", "lower", "hash_unless_hashed(sha1)"),
            "always",
            "sha1",
        ),
        Header(
            "EMAIL1_MD5",
            "an e-mail address hashed with MD5",
            (),
            ("trim", "lower", "hash_unless_hashed(md5)"),
            "always",
            "md5",
        ),
        Header("PHONE1", "a phone number, in plain", ("phone", "phone_number", "mobile"), ("trim",)),
    ),
    others=Others(
        r"[A-Za-z0-9_]{1,128}",
        "at most 128 letters, digits and underscores",
        "a custom id or a segment",
        may_identify=True,
    ),
    together=(_ADDRESS,),
    identifies=(("EMAIL1",), ("EMAIL1_SHA-256",), ("EMAIL1_SHA-1",), ("EMAIL1_MD5",), ("PHONE1",), _ADDRESS),
    limits=Limits(rows=500_000_000, size=50_000_000_000, others=500, few_rows=25),
    csv={"quote_style": "always"},
    takes={
        "csv.delimiter": (",", "|", "\t"),
        "csv.quote": ('"',),
        "csv.quote_style": ("necessary", "always", "non_numeric"),
        "csv.header": (True,),
        "csv.encoding": ("utf-8",),
        "csv.bom": (False,),
        "csv.null_value": ("",),
    },
    notes=(
        (
            "E-mail addresses match somewhat better in plain than hashed; LiveRamp asks you to encrypt files "
            "with personal data."
        ),
        "Put identifiers of people and of devices into different files.",
        "Every file of an audience must have the same headers; EMEA files have other headers.",
        (
            "A line has at most 10,000 characters; files of the United Kingdom have at most 100 million rows, "
            "French ones 30 million."
        ),
    ),
    uncertain=(
        (
            "Whether a custom id alone finds people depends on the account; muster takes the profile id, "
            "identities and keys of `deduplicate` for identifiers, and leaves out nobody who has one."
        ),
        "PHONE1 goes as it is, without blanks around it: the pages show numbers of ten digits, of the United States.",
    ),
    pages=(
        Page("https://docs.liveramp.com/connect/en/formatting-file-data.html", date(2026, 11, 22)),
        Page("https://docs.liveramp.com/connect/en/formatting-column-based-files.html", date(2026, 11, 28)),
        Page("https://docs.liveramp.com/connect/en/formatting-identifiers.html", date(2026, 11, 28)),
        Page("https://docs.liveramp.com/connect/en/hashing-identifiers.html", date(2026, 11, 28)),
        Page("https://docs.liveramp.com/connect/en/product-limits-and-guidelines.html", date(2026, 11, 22)),
    ),
    example="""\
  - {source: profile_id, target: CUSTOMERID, mandatory: true}
  - {source: email, target: EMAIL1_SHA-256}
  - {source: loyalty.tier, target: LOYALTY_TIER}
""",
)
