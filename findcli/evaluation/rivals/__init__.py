"""The rivals that findcli is compared with, one file each; rivals do not import each other."""
