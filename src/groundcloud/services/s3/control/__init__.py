"""S3 Control: access points, the public access block of an account, tags of S3's resources, batch operations.

Missing: multi-region access points, Object Lambda, S3 on Outposts, access grants, Storage Lens, access points' scopes; each is refused by name.
"""
