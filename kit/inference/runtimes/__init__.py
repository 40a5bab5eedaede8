"""Files that submissions carry to run their networks where timm is not: each stands alone, in Python 3.7 syntax."""
