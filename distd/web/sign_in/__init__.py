"""Sign-in by others: a directory (LDAP), an OpenID Connect provider, a proxy in front."""
