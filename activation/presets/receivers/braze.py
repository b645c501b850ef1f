"""Braze: user attributes by CSV import."""

from datetime import date

from muster.activation.presets.shape import Header, Limits, Others, Page, Preset

_WORD = ("trim", "lower")
_DAY_OR_TIME = "a date or a time in ISO 8601"

PRESET = Preset(
    receiver="Braze, CSV import of user attributes",
    about="Attributes of users; an unknown header becomes a custom attribute.",
    headers=(
        Header("external_id", "the user's id at the sender", ("profile_id",)),
        Header("braze_id", "the user's id at Braze; updates only"),
        Header("user_alias_name", "the id of a user without an external id"),
        Header("user_alias_label", "the label that groups such ids"),
        Header("first_name", "a given name", ("firstname", "given_name")),
        Header("last_name", "a family name", ("lastname", "family_name", "surname")),
        Header("email", "an e-mail address", ("email_address", "e_mail", "mail"), ("trim",)),
        Header("email_encrypted", "an encrypted e-mail address, where field-level encryption is on"),
        Header("country", "an ISO 3166-1 code of two letters", ("country_code",), ("trim", "upper")),
        Header("dob", "a date of birth, YYYY-MM-DD", ("birth_date", "date_of_birth")),
        Header("gender", "M, F, O (other), N (not applicable) or P (prefer not to say)", (), ("gender(M F O N P)",)),
        Header("home_city", "a city", ("city",)),
        Header("language", "an ISO 639-1 code", (), _WORD),
        Header("phone", "a phone number in E.164", ("phone_number", "mobile"), ("e164",)),
        Header("email_open_tracking_disabled", "true or false"),
        Header("email_click_tracking_disabled", "true or false"),
        Header("email_subscribe", "opted_in, subscribed or unsubscribed", (), _WORD),
        Header("push_subscribe", "opted_in, subscribed or unsubscribed", (), _WORD),
        Header("time_zone", "an IANA time zone", ("timezone",)),
        Header("date_of_first_session", _DAY_OR_TIME),
        Header("date_of_last_session", _DAY_OR_TIME),
        Header("subscription_group_id", "the id of a subscription group"),
        Header("subscription_state", "subscribed or unsubscribed", (), _WORD),
    ),
    others=Others(r".+", "any text", "a custom attribute"),
    needs=(("external_id",), ("braze_id",), ("user_alias_name", "user_alias_label"), ("email",), ("phone",)),
    together=(("user_alias_name", "user_alias_label"), ("subscription_group_id", "subscription_state")),
    apart=(("external_id", "user_alias_name"), ("external_id", "braze_id")),
    country="country",
    takes_lists=False,
    limits=Limits(size=500_000_000),
    takes={
        "compression": ("none",),
        "csv.delimiter": (",",),
        "csv.quote": ('"',),
        "csv.header": (True,),
        "csv.encoding": ("utf-8",),
        "csv.null_value": ("",),
    },
    notes=(
        "A blank value keeps the value that Braze has.",
        "A double quote inside a value, or a number that starts with 0, can break its row.",
        "Braze imports files in parallel, in no order.",
    ),
    uncertain=("The pages name the five letters of a gender, not which words they stand for: see `gender`.",),
    pages=(
        Page(
            "https://www.braze.com/docs/user_guide/data/user_data_collection/user_import/csv_import", date(2026, 11, 28)
        ),
        Page(
            "https://www.braze.com/docs/user_guide/data_and_analytics/user_data_collection/user_import/",
            date(2026, 11, 28),
        ),
    ),
    example="""\
  - {source: profile_id, mandatory: true}
  - email
  - {source: person.name.first, target: first_name}
  - phone
  - {source: loyalty.tier, target: loyalty_tier}     # a custom attribute
""",
)
