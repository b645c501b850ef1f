"""Google Ads: customer lists for Customer Match."""

from datetime import date

from muster.activation.presets.shape import HASHED, Header, Limits, Page, Preset

_NAME = ("trim", "lower", HASHED)
_ADDRESS = ("First Name", "Last Name", "Country", "Zip")

PRESET = Preset(
    receiver="Google Ads, Customer Match",
    about="A customer list to upload to Google Ads; personal data is hashed, country and postal code are not.",
    headers=(
        Header(
            "Email",
            "an e-mail address",
            ("email", "email_address", "e_mail", "mail"),
            ("gmail", "lower", HASHED),
            "usually",
            at_most=None,
        ),
        Header(
            "Phone",
            "a phone number with its country code",
            ("phone", "phone_number", "mobile"),
            ("e164", HASHED),
            "usually",
            at_most=None,
        ),
        Header("First Name", "a given name", ("first_name", "firstname", "given_name"), _NAME, "usually"),
        Header("Last Name", "a family name", ("last_name", "lastname", "family_name", "surname"), _NAME, "usually"),
        Header("Country", "a two-letter country code, never hashed", ("country", "country_code"), ("trim",)),
        Header(
            "Zip",
            "a postal code, never hashed",
            ("zip", "zip_code", "postal_code", "postcode"),
            ("trim",),
            at_most=None,
        ),
    ),
    needs=(("Email",), ("Phone",), _ADDRESS),
    together=(_ADDRESS,),
    country="Country",
    limits=Limits(size=5_000_000_000),
    takes={
        "compression": ("none",),
        "csv.delimiter": (",",),
        "csv.header": (True,),
        "csv.encoding": ("utf-8",),
        "csv.null_value": ("",),
    },
    notes=(
        "Map a second e-mail address, phone number or postal code as another column of the target Email, Phone or Zip.",
        "Lists of mobile device ids or user ids need another file, with another template.",
        "You choose at upload whether a file adds to the list or replaces it. Files of `export: full` replace it.",
    ),
    uncertain=(
        (
            "Google's API reference takes punctuation out of family names before the hash, its help pages do not; "
            "muster leaves it in."
        ),
        "The pages ask for names without extra blanks; muster takes out those around a name.",
    ),
    pages=(
        Page("https://support.google.com/google-ads/answer/7659867", date(2026, 11, 28)),
        Page("https://support.google.com/google-ads/answer/7476159", date(2026, 11, 28)),
        Page("https://support.google.com/google-ads/answer/7474263", date(2026, 11, 28)),
        Page("https://developers.google.com/data-manager/api/devguides/concepts/formatting", date(2026, 11, 28)),
        Page("https://support.google.com/adwords/answer/6276125", date(2026, 11, 22)),
    ),
    example="""\
  - {source: email, mandatory: true}
  - phone
""",
)
