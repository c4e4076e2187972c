"""What findcli is measured against: one file a rival, each knowing nothing of the others."""
