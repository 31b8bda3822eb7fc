"""A short run of the benchmark: every row of the budgets is there, and says something that can be true. Usage: test_bench.py BENCH"""

import json
import subprocess
import sys

ROWS = """soft-rsa soft-ec soft-gcm-16k soft-gcm-16 soft-scale hsm-ec hsm-rsa hsm-gcm-16 hsm-scale none-ec none-rsa none-gcm-16 find-label-100 find-id-100
find-label-large find-id-large start start-memory decide-few decide decide-many log-append log-power log-verify""".split()


def report(number, sentence, findings):
    print(f"{'not ok' if findings else 'ok'} {number} - {sentence}")
    for finding in findings:
        print(f"# {finding}")


def main():
    done = subprocess.run([sys.argv[1], "--quick", "--json"], capture_output=True, text=True)
    rows = {}
    if done.returncode == 0:
        rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    print("1..3")
    report(1, "a_quick_run_ends_well_and_has_every_row", [done.stderr] if set(rows) != set(ROWS) else [])
    report(
        2,
        "every_number_is_above_zero",
        [
            f"{row['id']}: {name}"
            for row in rows.values()
            for name in ("keyward", "openssl", "softhsm")
            # The PIN's hash is subtracted from this one, as measured a moment later.
            if row["id"] != "start" and row.get(name, 1) <= 0
        ],
    )
    # What is measured against somebody else has that somebody's number in it.
    parties = {"of-openssl": "openssl", "over-hsm": "softhsm"}
    report(
        3,
        "a_row_is_absent_only_where_keyward_has_no_number",
        [row["id"] for row in rows.values() if (row["result"] == "absent") != ("keyward" not in row)]
        + [row["id"] for row in rows.values() if parties.get(row["judge"], "id") not in row],
    )


main()
