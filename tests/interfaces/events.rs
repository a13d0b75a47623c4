//! An event for each pass: which engine, which lanes, how it is cut.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use keops::prelude::*;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::with_default,
};

use super::{Case, harness::Random, product};

keops! {
    /// Contractions that are long enough for matrix products.
    #[keops(order = 0)]
    fn wide(x: Vi<64>, y: Vj<64>) -> LogSumExp<j> { -sqdist(x, y) }
}

/// The fields of an event, as text.
type Fields = BTreeMap<&'static str, String>;

/// Keeps events.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Fields>>>);

struct Visitor<'f>(&'f mut Fields);

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "keops"
    }

    fn event(&self, event: &Event<'_>) {
        assert_eq!(*event.metadata().level(), tracing::Level::DEBUG);
        let mut fields = Fields::new();
        event.record(&mut Visitor(&mut fields));
        self.0.lock().unwrap().push(fields);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The events of what `run` does.
fn events(run: impl FnOnce()) -> Vec<Fields> {
    let collector = Collector::default();
    with_default(collector.clone(), run);
    collector.0.lock().unwrap().clone()
}

#[track_caller]
fn assert_fields(event: &Fields, expected: &[(&str, &str)]) {
    for (field, value) in expected {
        assert_eq!(event.get(field).map(String::as_str), Some(*value), "{field} of {event:?}");
    }
}

#[test]
fn a_pass_says_how_it_is_cut() {
    let mut random = Random::new();
    let metric = [1.0, 0.0, 0.0, 1.0];
    let (x, y): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(70), random.cloud(200_000));
    let (b, few) = (vec![[1.0]; y.len()], &y[..1000]);

    let found = events(|| drop(product(metric, few, few, &b[..1000]).device(Device::Cpu).eval().unwrap()));
    let [event] = &found[..] else { panic!("one event, and not {found:?}") };
    let common = [("engine", "cpu"), ("element", "f32"), ("formula", "product: Value"), ("batches", "1")];
    assert_fields(event, &common);
    assert_fields(event, &[("targets", "1000"), ("sources", "1000"), ("pairs", "1000000"), ("cut", "targets")]);
    assert_fields(event, &[("matrix_products", "false"), ("threads", &rayon::current_num_threads().to_string())]);
    let number = |name: &str| event[name].parse::<usize>().unwrap();
    let width = match &*event["instructions"] {
        "avx512" => 16,
        "avx2" => 8,
        "neon" => 4,
        "scalar" => 1,
        other => panic!("{other}"),
    };
    assert_eq!(number("lanes"), number("vectors") * width);
    assert!(number("tile") >= 8 && number("block") >= 64);

    let found = events(|| drop(product(metric, &x, &y, &b).device(Device::Cpu).eval().unwrap()));
    assert_fields(&found[0], &[("cut", "targets and sources"), ("targets", "70")]);
    // scalar code has no lanes for sources
    if width > 1 {
        let found = events(|| drop(product(metric, &x[..3], &y, &b).device(Device::Cpu).eval().unwrap()));
        assert_fields(&found[0], &[("cut", "sources"), ("sources", "200000")]);
    }
    let ranges = Ranges::new([(0..70, 0..100), (0..10, 500..600)]).unwrap();
    let found = events(|| drop(product(metric, &x, &y, &b).ranges(&ranges).device(Device::Cpu).eval().unwrap()));
    assert_fields(&found[0], &[("cut", "ranges"), ("pairs", "8000")]);
    let points: Vec<[f64; 64]> = random.cloud(100);
    let found = events(|| drop(wide(&points, batched(&points, [4])).device(Device::Cpu).eval().unwrap()));
    assert_eq!(found.len(), 1, "one event for all batches");
    assert_fields(&found[0], &[("element", "f64"), ("matrix_products", "true"), ("batches", "4"), ("sources", "25")]);
}

#[test]
fn each_pass_of_a_derivative_has_an_event() {
    let case = Case::new();
    let Case { s, x, y, b, expected } = &case;
    let found = events(|| drop(product(*s, x, y, b).device(Device::Cpu).vjp(expected).eval().unwrap()));
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|event| event["threads"] == "1" && event["formula"].starts_with("product: Vjp")));
    assert!(events(|| drop(product(*s, x, &y[1..], b).eval().unwrap_err())).is_empty());
}
