"""`findcli benchmark`: how well sentences rank users held out of training, beside rivals with the same inputs."""
