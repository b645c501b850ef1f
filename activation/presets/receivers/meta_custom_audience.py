"""Meta (Facebook, Instagram): customer lists for Custom Audiences."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Page, Preset

_TEXT = ("trim", "lower", HASHED)
_NAME = ("nfc", "strip_punctuation", "trim", "lower", HASHED)

PRESET = Preset(
    receiver="Meta, customer list Custom Audience",
    about="A customer list to upload in Ads Manager, which hashes the columns that are still plain.",
    headers=(
        Header("email", "an e-mail address", ("email_address", "e_mail", "mail"), _TEXT, "usually", at_most=3),
        Header(
            "phone",
            "a phone number with its country code",
            ("phone_number", "mobile"),
            ("e164", "digits", HASHED),
            "usually",
            at_most=3,
        ),
        Header("madid", "a mobile advertiser id, in plain", ("maid", "idfa", "aaid"), ("trim", "lower")),
        Header("uid", "the id of a user of the advertiser's app on Facebook, in plain"),
        Header("fn", "a given name", ("first_name", "firstname", "given_name"), _NAME, "usually"),
        Header("ln", "a family name", ("last_name", "lastname", "family_name", "surname"), _NAME, "usually"),
        Header("ct", "a city, in plain", ("city",), ("trim",)),
        Header("st", "a state or province, in plain", ("state", "province"), ("trim",)),
        Header("zip", "a postal code, in plain", ("zip_code", "postal_code", "postcode"), ("trim",)),
        Header("country", "a two-letter country code", ("country_code",), _TEXT, "usually"),
        Header("dob", "a date of birth, in plain", ("birth_date", "date_of_birth")),
        Header("doby", "a year of birth, in plain", ("birth_year", "year_of_birth")),
        Header("gen", "a gender, m or f", ("gender",), ("gender(m f)", HASHED), "usually"),
        Header("age", "an age in years, in plain"),
        Header("value", "what a customer is worth, for lookalikes by value", ("lifetime_value",)),
    ),
    needs=(("email",), ("phone",), ("madid",), ("uid",), ("fn", "ln")),
    country="country",
    limits=Limits(few_rows=100),
    takes={"compression": ("none",), "csv.header": (True,), "csv.encoding": ("utf-8",), "csv.null_value": ("",)},
    notes=(
        ("Columns with one standard plain form are hashed; Ads Manager normalises and hashes the others."),
        "Map a second or third e-mail address or phone number as another column of the target email or phone.",
    ),
    uncertain=(
        (
            "Names: the pages say 'a-z only' and 'special characters in UTF-8'. muster keeps letters with accents, in "
            "composed form; one of Meta's own libraries drops them."
        ),
        "Names alone: the pages count fn and ln among the main identifiers; muster takes both together for one.",
        "ct, st and zip have a hashed form for the API; files show them in plain, and muster sends them so.",
    ),
    pages=(
        Page("https://www.facebook.com/business/help/2082575038703844", date(2026, 11, 28)),
        Page("https://www.facebook.com/business/help/112061095610075", date(2026, 11, 28)),
        Page(
            "https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences", date(2026, 11, 28)
        ),
        Page("https://github.com/facebook/facebook-nodejs-business-sdk", date(2026, 11, 28)),
    ),
    example="""\
  - {source: email, mandatory: true}
  - phone
  - {source: person.name.first, target: fn}
  - {source: person.name.last, target: ln}
  - country
""",
)
