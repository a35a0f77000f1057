//! What each stage costs: `cargo bench -p gatelog-stages`. They print, and nothing asserts on a time.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatelog::event::route::{Patterns, Router};
use gatelog_parsers::distinguished_name;
use gatelog_parsers::line::Spans;
use gatelog_stages::{Counting, FORMATS, Splitting, judge, ledger, parser};
use generate_log::{Format, Generator, Sizes};

const LINES: usize = 2_000;

fn log(format: Format) -> Vec<u8> {
    Generator::new(1, Sizes::default(), format).lines(LINES)
}

/// A line to its values, in each format.
fn split(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split");
    group.throughput(Throughput::Elements(LINES as u64));
    for (format, name) in FORMATS {
        let (log, mut splitting) = (log(format), Splitting::new(format));
        group.bench_function(name, |bencher| bencher.iter(|| splitting.split(black_box(&log))));
    }
    group.finish();
}

/// A line to the ledger, all of its values known.
fn count(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("count");
    group.throughput(Throughput::Elements(LINES as u64));
    for (format, name) in FORMATS {
        let (log, mut counting) = (log(format), Counting::new(format));
        group.bench_function(name, |bencher| bencher.iter(|| counting.count(black_box(&log))));
    }
    group.finish();
}

fn name(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("distinguished_name");
    let names: [(&str, &[u8]); 3] = [
        ("short", b"CN=checkout-service,O=payments"),
        ("long", b"CN=ledger-7.prod.internal,OU=risk,O=Example AG,L=Berlin,C=DE"),
        ("escaped", br#"CN=svc \"edge\" \\back\\slash,O=Acme\, Inc.\; \<Ops\>"#),
    ];
    for (name, dn) in names {
        group.bench_function(format!("parse/{name}"), |bencher| {
            bencher.iter(|| distinguished_name::parse(black_box(dn)).is_ok());
        });
        group.bench_function(format!("attribute/{name}"), |bencher| {
            bencher.iter(|| distinguished_name::attribute(black_box(dn), "O").is_some());
        });
    }
    group.finish();
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    let router = Router::new(Patterns::default());
    let targets: [(&str, &[u8]); 4] = [
        ("fixed", b"/v1/payments?page=1&limit=50"),
        ("number", b"/v1/payments/519475292/confirm"),
        ("uuid", b"/v1/orders/1f0c7a52-9b7e-4c55-8f5c-2f4e6f0d8a11/history"),
        ("escaped", br"/caf\xC3\xA9/42"),
    ];
    for (name, target) in targets {
        group.bench_function(name, |bencher| {
            bencher.iter(|| router.route(black_box(target)).0.len());
        });
    }
    group.finish();
}

/// An event to the ledger; judging the record is part of it, since an event borrows from it.
fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    let (log, parser) = (log(Format::Extended), parser(Format::Extended));
    let lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').filter(|it| !it.is_empty()).collect();
    let mut spans: Vec<Spans> = Vec::new();
    spans.resize_with(lines.len(), Spans::default);
    let records: Vec<_> =
        lines.iter().zip(&mut spans).flat_map(|(line, spans)| parser.parse(line, spans)).collect();
    let (mut judge, mut ledger) = (judge(&parser), ledger());
    let router = Router::new(Patterns::default());
    group.throughput(Throughput::Elements(LINES as u64));
    group.bench_function("judge", |bencher| {
        bencher.iter(|| records.iter().filter(|record| judge.judge(record).is_ok()).count());
    });
    group.bench_function("judge_and_record", |bencher| {
        bencher.iter(|| {
            for record in black_box(&records) {
                if let Ok(event) = judge.judge(record) {
                    ledger.record(&event, &router);
                }
            }
        });
    });
    group.finish();
}

/// One ledger of an ordinary day, and one with many certificates, each into an empty one.
fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    let many = Sizes { certificates: 20_000, paths: 10_000, ..Sizes::default() };
    for (name, sizes, lines) in [("ordinary", Sizes::default(), 20_000), ("many", many, 50_000)] {
        let mut counting = Counting::new(Format::Extended);
        counting.count(&Generator::new(1, sizes, Format::Extended).lines(lines));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut whole = ledger();
                whole.merge(black_box(&counting.ledger));
                whole
            });
        });
    }
    group.finish();
}

criterion_group!(stages, split, name, route, record, count, merge);
criterion_main!(stages);
