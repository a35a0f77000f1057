"""Asks DuckDB or chDB (ClickHouse) for requests and failures by route and reason, and for the fingerprints
that were refused: query.py duckdb|chdb LOG. One thread. Prints the number of requests and failures seen.
"""

import json
import sys

LINE = (
    r'"\S+ ([^ ?"]+)\S* \S+" (\d+) \d+ "[^"]*" "[^"]*" client_verify=([^"]*) client_dn="[^"]*" client_fp=(\S+) '
)
IDENTIFIER = r"/([0-9]+|[0-9a-f]{8}-[0-9a-f-]{27})"


def duckdb(log):
    import duckdb

    values = f"""
      select g.path as path, g.status as status, g.verify as verify, g.fingerprint as fingerprint from (
        select regexp_extract(line, '{LINE}', ['path', 'status', 'verify', 'fingerprint']) as g
        from read_csv('{log}', columns={{'line': 'VARCHAR'}}, header=false, delim='\\x01', quote='', escape='',
                      auto_detect=false, max_line_size=1000000))
    """
    route = f"regexp_replace(path, '{IDENTIFIER}', '/{{id}}', 'g')"
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    return connection.execute(query(values, route)).fetchall()


def chdb(log):
    import chdb

    values = f"""
      select g[1] as path, g[2] as status, g[3] as verify, g[4] as fingerprint from (
        select extractGroups(line, '{LINE.replace(chr(92), chr(92) * 2)}') as g
        from file('{log}', 'LineAsString', 'line String'))
    """
    route = f"replaceRegexpAll(path, '{IDENTIFIER}', '/{{id}}')"
    rows = chdb.query(query(values, route) + " settings max_threads = 1, group_by_use_nulls = 1", "JSONCompact")
    return [(a, b, c, int(n)) for a, b, c, n in json.loads(rows.bytes())["data"]]


def query(values, route):
    """All requests by route and result, what failed by fingerprint."""
    return f"""
      select route, verify, fingerprint, requests from (
        select route, verify, fingerprint, failed, count(*) as requests from (
          select {route} as route, verify, fingerprint,
            verify like 'FAILED%' or (verify = 'NONE' and status = '400') as failed
          from ({values}))
        group by grouping sets ((route, verify, failed), (fingerprint, failed)))
      where failed or route is not null
    """


def main():
    engine, log = sys.argv[1:]
    rows = {"duckdb": duckdb, "chdb": chdb}[engine](log)
    requests = sum(row[3] for row in rows if row[0] is not None)
    failures = sum(row[3] for row in rows if row[0] is None)
    print(f"{requests} requests, {failures} failures, {len(rows)} rows")


main()
