#!/usr/bin/env bash
# A grocer plans a campaign: three audiences in one process, one of them as a file, one among coupon users
# alone, and a look at how far to trust them.
# Run it in a Complete Journey workspace after `findcli run`.
set -euo pipefail

cat > campaign.txt <<'DEMANDS'
users who will buy flowers
people who will buy baby food and diapers
customers who pay with coupons
DEMANDS

findcli target --demands campaign.txt --top-percent 10 --output audiences.parquet
findcli target "users who will buy flowers" --top-k 100 --output flowers.csv
findcli target "users who will buy flowers" --where "spend >= 500 and coupons_used > 0" --all --output coupon-flowers.csv
findcli probe --dataset d1
