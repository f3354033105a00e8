"""Who may call the cloud API: the account, its sub-users, their AccessKey pairs and access policies.

The command line changes these in the database; running nodes notice within seconds.
"""
