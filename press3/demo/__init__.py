"""A demonstration without any telephones: a private Asterisk that plays customers and operators."""
