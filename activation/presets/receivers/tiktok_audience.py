"""TikTok Ads Manager: customer files for Custom Audiences."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Page, Preset

_LOOKED_AT = date(2026, 11, 28)
_TIMES = 3  # columns with one header

PRESET = Preset(
    receiver="TikTok Ads Manager, customer file audience",
    about="E-mail addresses, phone numbers and mobile advertising ids, hashed; TikTok hashes what is sent in plain.",
    headers=(
        Header(
            "Email_SHA256",
            "an e-mail address, hashed",
            ("email", "email_address", "e_mail", "mail"),
            ("strip_spaces", "lower", HASHED),
            "always",
            at_most=_TIMES,
        ),
        Header(
            "Phone_SHA256",
            "a phone number with its country code, hashed",
            ("phone", "phone_number", "mobile"),
            ("e164", "digits", HASHED),
            "always",
            at_most=_TIMES,
        ),
        Header(
            "MAID_SHA256",
            "a mobile advertising id (IDFA or GAID), hashed",
            ("maid", "madid", "idfa", "gaid", "aaid"),
            ("trim", "lower", HASHED),
            "always",
            at_most=_TIMES,
        ),
        Header(
            "MAID_MD5",
            "a mobile advertising id, as MD5",
            (),
            ("trim", "lower", "hash_unless_hashed(md5)"),
            "always",
            "md5",
            _TIMES,
        ),
        Header("Email", "an e-mail address, in plain", (), ("strip_spaces", "lower"), at_most=_TIMES),
        Header("Phone", "a phone number with its country code, in plain", (), ("e164",), at_most=_TIMES),
        Header("MAID", "a mobile advertising id, in plain", (), ("trim", "lower"), at_most=_TIMES),
    ),
    needs=(
        ("Email_SHA256",),
        ("Phone_SHA256",),
        ("MAID_SHA256",),
        ("MAID_MD5",),
        ("Email",),
        ("Phone",),
        ("MAID",),
    ),
    takes_lists=False,
    limits=Limits(size=999_999_999, few_rows=1_000),
    takes={"compression": ("none",), "csv.delimiter": (",",), "csv.header": (True,)},
    notes=(
        "A profile column `email` goes out hashed; write `target: Email` to send it in plain.",
        "Map a second or third address, number or id as another column of the same target.",
        "IDFAs and GAIDs may be in one column.",
    ),
    uncertain=(
        (
            "TikTok recommends phone numbers with `+` and takes them without; the one hash of a number that it prints, "
            "and its page of August 2025, are without. muster hashes that form; `transform: [e164, "
            "hash_unless_hashed]` hashes the other."
        ),
        (
            "Older pages take out what follows a `+` in an e-mail address, some also its dots; the newest page asks "
            "for no spaces and lower case alone. muster follows the newest."
        ),
        "The newest page prints the headers as `Email_SHA 256`; all others have `Email_SHA256`, which muster writes.",
    ),
    pages=(
        Page(
            "https://ads.tiktok.com/help/article/how-to-create-a-custom-audience-with-a-customer-file",
            _LOOKED_AT,
            "September 2025",
        ),
        Page(
            "https://ads.tiktok.com/help/article/list-of-supported-ids-and-formats-for-a-customer-file",
            _LOOKED_AT,
            "August 2025",
        ),
        Page("https://ads.tiktok.com/help/article/customer-file", _LOOKED_AT, "February 2024"),
    ),
    example="""\
  - email
  - phone
""",
)
