"""Salesforce Marketing Cloud Engagement: imports into data extensions and lists."""

from datetime import date

from muster.activation.presets.shape import Header, Others, Page, Preset

_LOOKED_AT = date(2026, 11, 28)
_MOBILE = ("_ContactKey", "_MobileNumber", "_Locale")

PRESET = Preset(
    receiver="Salesforce Marketing Cloud Engagement, import",
    about="Rows of a data extension, or subscribers of a list; each header is the name of a field.",
    headers=(
        Header("SubscriberKey", "the subscriber's id at the sender", ("profile_id", "subscriber_key")),
        Header("EmailAddress", "an e-mail address", ("email", "email_address", "e_mail", "mail"), ("trim",)),
        Header("Subscriber Key", "the subscriber's id at the sender, in a file for a list"),
        Header("Email Address", "an e-mail address, in a file for a list", (), ("trim",)),
        Header("Subscriber Status", "such as Unsubscribed, in a file for a list"),
        Header("_ContactKey", "the contact's id, in a file for Mobile Studio"),
        Header(
            "_MobileNumber",
            "a phone number with its country code and without +, in a file for Mobile Studio",
            (),
            ("e164", "digits"),
        ),
        Header("_Locale", "the country of the phone number, in a file for Mobile Studio", (), ("trim", "upper")),
    ),
    others=Others(
        r"_?[A-Za-z].*",
        "a name that begins with a letter",
        "a field of the data extension or list",
        may_identify=True,
        any_spelling=True,
    ),
    identifies=(
        ("SubscriberKey",),
        ("EmailAddress",),
        ("Subscriber Key",),
        ("Email Address",),
        ("_ContactKey",),
        ("_MobileNumber",),
    ),
    together=(_MOBILE,),
    apart=(("SubscriberKey", "Subscriber Key"), ("EmailAddress", "Email Address")),
    country="_Locale",
    notes=(
        "Headers that are the names of the fields are mapped by themselves.",
        "Put the e-mail address last in a file for a list; every row of it has to have one.",
        "A compressed or encrypted file needs a file transfer activity before its import.",
        "Say UTF-8 in the import, if your account may choose, and a locale whose dates are YYYY-MM-DD.",
    ),
    uncertain=(
        (
            "A data extension has the fields that you gave it: SubscriberKey and EmailAddress are the names of "
            "Marketing Cloud's own view of subscribers. Write a `target` where yours differ."
        ),
        "The pages name no largest file but 20 MB for Mobile Studio, which muster does not check.",
        "Mobile Studio wants contact keys without `+`, `-` and brackets too; muster writes keys as they are.",
        "Salesforce publishes no examples of values that muster transforms.",
    ),
    pages=(
        Page("https://help.salesforce.com/s/articleView?id=mktg.mc_es_import_file_requirements.htm&type=5", _LOOKED_AT),
        Page(
            "https://help.salesforce.com/s/articleView?id=mktg.mc_es_subscriber_import_file_requirements.htm&type=5",
            _LOOKED_AT,
        ),
        Page("https://help.salesforce.com/s/articleView?id=mktg.mc_es_import_activity.htm&type=5", _LOOKED_AT),
        Page("https://help.salesforce.com/s/articleView?id=mktg.mc_moc_prepare_file_for_import.htm&type=5", _LOOKED_AT),
        Page("https://help.salesforce.com/s/articleView?id=mktg.mc_as_data_view_subscribers.htm&type=5", _LOOKED_AT),
        Page("https://developer.salesforce.com/docs/marketing/marketing-cloud/guide/importdefinition.html", _LOOKED_AT),
    ),
    example="""\
  - {source: profile_id, mandatory: true}
  - {source: person.name.first, target: FirstName}
  - {source: loyalty.tier, target: LoyaltyTier}
  - email
""",
)
