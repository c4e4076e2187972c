"""`findcli benchmark`: how well sentences rank users who took no part in training, beside rivals of the same inputs."""
