//! The engine on a library in the place of the CUDA driver: results, errors, and what is left behind.
//!
//! The driver of a process is found once, so the tests run in a process of their own, with the library in front of
//! the search path.
#![cfg(target_os = "linux")]

use std::{
    env, fs,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use keops_core::{
    data::{Array, Error, Stored, To, View},
    formula::{Index, Variable},
    launch::Sizes,
    problem::{
        Outputs, Pairs, Piece, Problem, Signature, Watch,
        cuda::{Devices, Engines},
    },
};
use keops_gpu::{Cuda, Kernel, devices, is_available, release_kept, upload};
use libloading::Library;

/// The first device.
const ONE: Devices = Devices::One(0);

/// Set in the process that has the library.
const INSIDE: &str = "KEOPS_TEST_STAND_IN";

const VARIABLES: &[Variable] =
    &[Variable::target("x", 2), Variable::source("y", 2), Variable::source("b", 1), Variable::parameter("p", 1)];

#[test]
fn with_a_library_in_the_place_of_the_driver() {
    let exe = env::current_exe().expect("the test has a file");
    // how deep the test lies below the folder of its profile depends on cargo's version
    let mut libraries = exe.ancestors().map(|folder| folder.join("examples/libstand_in_driver.so"));
    let library = libraries.find(|library| library.exists());
    let library = library.expect("the library is an example, built with all targets of the package");
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stand_in");
    fs::create_dir_all(&dir).expect("a directory for the library");
    fs::copy(&library, dir.join("libcuda.so.1")).expect("a copy of the library");
    let status = Command::new(exe)
        .args(["--ignored", "--test-threads=1"])
        .env(INSIDE, "1")
        .env("LD_LIBRARY_PATH", dir)
        .status()
        .expect("the test runs again");
    assert!(status.success());
}

/// The library, as the tests see it.
struct StandIn(Library);

impl StandIn {
    /// `None` in a process that does not have it.
    fn new() -> Option<Self> {
        env::var_os(INSIDE)?;
        // SAFETY: it has no initializers.
        let library = unsafe { Library::new("libcuda.so.1") }.expect("the library is on the search path");
        Some(Self(library))
    }

    fn number(&self, name: &str) -> u64 {
        // SAFETY: the functions that are asked for take nothing and return a number.
        unsafe { (self.0.get::<extern "C" fn() -> u64>(name).expect("it has the function"))() }
    }

    fn set(&self, multiprocessors: i64, free: u64) {
        // SAFETY: its parameters.
        unsafe { (self.0.get::<extern "C" fn(i64, u64)>("stand_in_set").expect("it has it"))(multiprocessors, free) }
    }

    /// Makes a context of the program current, 0 for none; which one was.
    fn make_current(&self, context: u64) -> u64 {
        // SAFETY: its parameters.
        unsafe { (self.0.get::<extern "C" fn(u64) -> u64>("stand_in_current").expect("it has it"))(context) }
    }

    /// Whether loading modules takes until it is let go.
    fn hold(&self, held: bool) {
        self.put("stand_in_hold", held.into());
    }

    /// Sets one of its numbers.
    fn put(&self, name: &str, number: u64) {
        // SAFETY: the functions that are asked for take a number and return the one before.
        let put = unsafe { self.0.get::<extern "C" fn(u64) -> u64>(name) };
        put.expect("it has the function")(number);
    }

    fn fail(&self, call: i64) {
        // SAFETY: its parameters.
        unsafe { (self.0.get::<extern "C" fn(i64)>("stand_in_fail").expect("it has it"))(call) }
    }

    /// Nothing is left, once what is kept for the next calls is let go.
    fn assert_clean(&self) {
        assert_eq!(release_kept(), Ok(()));
        let left = ["stand_in_live_bytes", "stand_in_live_handles", "stand_in_violations"];
        assert_eq!(left.map(|name| self.number(name)), [0; 3]);
    }
}

/// A checked call on devices.
fn reduce(
    devices: Devices,
    kernel: &Kernel,
    pairs: Pairs<'_>,
    views: &[View<'_, f32>],
    pieces: &mut [Piece<'_, f32>],
    indices: Option<To<'_, u32>>,
) -> Result<(), Error> {
    let problem = Problem::new(kernel.signature, views, pairs)?;
    let mut outputs = Outputs::new(&problem, pieces, indices)?;
    keops_gpu::reduce(devices, kernel, &problem, &mut outputs)
}

fn kernel() -> Kernel {
    Kernel {
        modules: &[("f", "f"), ("f_merge", "f_merge"), ("keops_total_f32", "keops_total_f32")],
        cubins: &[],
        name: "f".to_owned(),
        signature: Signature { name: "f", variables: VARIABLES, targets: Index::I, values: 2, indices: 1 },
        sizes: Sizes { state_words: 3, block_targets: 128, tile_sources: 8, shared_bytes: 0, local_bytes: 0 },
    }
}

/// In a thread of its own.
fn alone<R: Send>(call: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| scope.spawn(call).join()).expect("it does not panic")
}

/// Small integers, so that sums are exact in every order.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|n| ((n * 7 + seed) % 5) as f32 - 2.0).collect()
}

struct Case {
    x: Vec<f32>,
    y: Vec<f32>,
    b: Vec<f32>,
}

impl Case {
    fn new(targets: usize, sources: usize) -> Self {
        Self { x: numbers(2 * targets, 1), y: numbers(2 * sources, 2), b: numbers(sources, 3) }
    }

    fn targets(&self) -> usize {
        self.x.len() / 2
    }

    fn views(&self) -> [View<'_, f32>; 4] {
        [View::from_flat(&self.x, 2), View::from_flat(&self.y, 2), View::from_flat(&self.b, 1), View::scalar(3.0)]
    }

    fn expected(&self) -> (Vec<f32>, Vec<u32>) {
        let row = |x: &[f32]| {
            let pairs = self.y.chunks(2).zip(&self.b);
            pairs.fold([0.0; 2], |sum, (y, b)| [sum[0] + 3.0 * (x[0] * y[0] + x[1] * y[1]) * b, sum[1] + b])
        };
        let values = self.x.chunks(2).flat_map(row).collect();
        (values, vec![self.b.len() as u32; self.targets()])
    }

    /// The whole result, in one piece.
    fn whole(&self) -> Result<(Vec<f32>, Vec<u32>), Error> {
        self.whole_on(ONE)
    }

    fn whole_on(&self, devices: Devices) -> Result<(Vec<f32>, Vec<u32>), Error> {
        self.whole_of(&kernel(), devices)
    }

    fn whole_of(&self, kernel: &Kernel, devices: Devices) -> Result<(Vec<f32>, Vec<u32>), Error> {
        let (mut values, mut indices) = (vec![0.0; 2 * self.targets()], vec![0; self.targets()]);
        reduce(
            devices,
            kernel,
            Pairs::default(),
            &self.views(),
            &mut [Piece::rows(2, &mut values)],
            Some((&mut indices).into()),
        )?;
        Ok((values, indices))
    }
}

#[test]
#[ignore = "run by the test that provides the library"]
fn progress() {
    let Some(stand_in) = StandIn::new() else { return };
    for (targets, sources) in [(1, 1), (300, 0), (1000, 77), (5, 4099), (40_000, 3)] {
        for devices in [ONE, Devices::All] {
            let case = Case::new(targets, sources);
            let told: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
            let to = Arc::clone(&told);
            let watch = Watch::new(move |done, all| to.lock().unwrap().push((done, all)));
            let (mut values, mut indices) = (vec![0.0; 2 * targets], vec![0; targets]);
            let pairs = Pairs { watch: Some(&watch), ..Pairs::default() };
            let pieces = &mut [Piece::rows(2, &mut values)];
            reduce(devices, &kernel(), pairs, &case.views(), pieces, Some((&mut indices).into())).unwrap();
            assert_eq!((values, indices), case.expected(), "{targets} x {sources}");
            let (told, all) = (told.lock().unwrap(), (targets * sources) as u64);
            assert!(told.is_sorted() && told.iter().all(|told| told.1 == all), "{told:?}");
            assert_eq!(told.last(), Some(&(all, all)));
            // several launches where there are many blocks
            assert!(targets < 40_000 || told.len() > 1, "{told:?}");
        }
    }
    stand_in.assert_clean();
}

#[test]
#[ignore = "run by the test that provides the library"]
fn results() {
    let Some(stand_in) = StandIn::new() else { return };
    assert_eq!((devices(), is_available(1), is_available(2)), (Ok(2), true, false));
    for (targets, sources) in [(1, 1), (1, 1000), (300, 0), (129, 31), (128, 32), (1000, 77), (5, 4099)] {
        let case = Case::new(targets, sources);
        assert_eq!(case.whole(), Ok(case.expected()), "{targets} x {sources}");
        stand_in.assert_clean();
    }
    // more parts than the merge kernel joins at a time
    for (targets, sources) in [(5, 4099), (200, 65 * 32), (1, 128 * 32)] {
        let case = Case::new(targets, sources);
        assert_eq!(case.whole_on(Devices::One(1)), Ok(case.expected()), "{targets} x {sources}");
        stand_in.assert_clean();
    }
}

/// The context that the program made current, or none.
#[test]
#[ignore = "run by the test that provides the library"]
fn what_was_current_is_so_again() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(300, 40);
    for context in [0, 0x77] {
        for devices in [ONE, Devices::All] {
            stand_in.make_current(context);
            assert_eq!(case.whole_on(devices), Ok(case.expected()));
            let array = upload(1, &case.x).expect("it fits");
            assert_eq!(stand_in.make_current(context), context);
            drop(array);
            assert_eq!(release_kept(), Ok(()));
            assert_eq!(stand_in.make_current(0), context);
        }
    }
    stand_in.assert_clean();
}

#[test]
#[ignore = "run by the test that provides the library"]
fn pieces_and_totals() {
    let Some(stand_in) = StandIn::new() else { return };
    for (targets, sources) in [(300, 40), (3, 900), (0, 10)] {
        let case = Case::new(targets, sources);
        let (expected, counts) = case.expected();
        let column = |c: usize| expected.iter().copied().skip(c).step_by(2);
        let (mut indices, mut total, mut rows) = (vec![0; targets], [f32::NAN; 2], vec![0.0; targets]);

        let mut pieces = [Piece::total(2, &mut total)];
        let result = reduce(ONE, &kernel(), Pairs::default(), &case.views(), &mut pieces, Some((&mut indices).into()));
        assert_eq!(result, Ok(()));
        assert_eq!(total, [0, 1].map(|c| column(c).sum::<f32>()));
        assert_eq!(indices, counts);

        let mut pieces = [Piece::rows(1, &mut rows), Piece::total(1, &mut total[..1])];
        let result = reduce(ONE, &kernel(), Pairs::default(), &case.views(), &mut pieces, Some((&mut indices).into()));
        assert_eq!(result, Ok(()));
        assert_eq!((rows.clone(), total[0]), (column(0).collect(), column(1).sum()));
        stand_in.assert_clean();
    }
}

/// What stays on the device: arguments, the whole result, its columns, its row numbers, and a total.
#[test]
#[ignore = "run by the test that provides the library"]
fn arrays() {
    let Some(stand_in) = StandIn::new() else { return };
    for (targets, sources) in [(300, 40), (3, 900), (0, 10)] {
        let case = Case::new(targets, sources);
        arrays_of(&case).expect("nothing fails");
        stand_in.assert_clean();
    }
    // nothing is lost, whatever fails
    let case = Case::new(3, 900);
    for failing in 0.. {
        stand_in.fail(failing);
        let result = arrays_of(&case);
        let calls = stand_in.number("stand_in_calls");
        stand_in.fail(-1);
        stand_in.assert_clean();
        if calls <= failing as u64 {
            assert_eq!(result, Ok(()));
            break;
        }
        assert!(matches!(result, Ok(()) | Err(Error::Cuda { code: 912, .. })), "{result:?}");
    }
}

fn arrays_of(case: &Case) -> Result<(), Error> {
    let targets = case.targets();
    let (expected, counts) = case.expected();
    let [x, y, b, p] = case.views();
    let x = View::from_array(upload(0, x.host().expect("it is on the host"))?, 2);
    let y = View::from_array(upload(0, y.host().expect("it is on the host"))?, 2);
    let views = [x, y, b, p];
    let (mut values, mut indices) = (Array::default(), Array::default());
    let mut pieces = [Piece::rows(2, To::Array(&mut values))];
    reduce(ONE, &kernel(), Pairs::default(), &views, &mut pieces, Some(To::Array(&mut indices)))?;
    assert_eq!((values.len(), indices.len()), (2 * targets, targets));
    let mut found = (vec![0.0; 2 * targets], vec![0; targets]);
    read(&values, &mut found.0)?;
    read(&indices, &mut found.1)?;
    assert_eq!(found, (expected.clone(), counts.clone()));

    let column = |c: usize| expected.iter().copied().skip(c).step_by(2);
    let (mut first, mut second, mut host) = (Array::default(), Array::default(), vec![0.0; targets]);
    for (one, other) in [(0, 1), (1, 0)] {
        let mut pieces = [Piece::rows(1, To::Array(&mut first)), Piece::rows(1, &mut host)];
        if one == 1 {
            pieces.swap(0, 1);
        }
        reduce(ONE, &kernel(), Pairs::default(), &views, &mut pieces, Some((&mut found.1).into()))?;
        let mut rows = vec![0.0; targets];
        read(&first, &mut rows)?;
        assert_eq!((&rows, &host), (&column(one).collect(), &column(other).collect()));
    }
    let mut pieces = [Piece::rows(1, To::Array(&mut first)), Piece::total(1, To::Array(&mut second))];
    reduce(ONE, &kernel(), Pairs::default(), &views, &mut pieces, Some((&mut found.1).into()))?;
    let mut total = [f32::NAN];
    read(&second, &mut total)?;
    assert_eq!((first.len(), total[0]), (targets, column(1).sum()));
    // as arguments of another call
    if targets > 0 {
        let views = [views[0].clone(), views[1].clone(), views[2].clone(), View::from_array(second, 1)];
        let mut values = vec![0.0; 2 * targets];
        reduce(
            ONE,
            &kernel(),
            Pairs::default(),
            &views,
            &mut [Piece::rows(2, &mut values)],
            Some((&mut found.1).into()),
        )?;
        assert_eq!(values[0], expected[0] / 3.0 * total[0]);
    }
    Ok(())
}

fn read<T: Stored>(array: &Array<T>, to: &mut [T]) -> Result<(), Error> {
    match array {
        Array::Cuda(memory, _) => T::copy_from_device(&**memory, to),
        Array::Host(_) => panic!("it was to stay on the device"),
    }
}

/// A module is loaded when its kernel is first launched: the driver compiles it then.
#[test]
#[ignore = "run by the test that provides the library"]
fn modules_are_loaded_for_what_is_launched() {
    let Some(stand_in) = StandIn::new() else { return };
    let kernel = fresh_kernel();
    let loaded = stand_in.number("stand_in_modules");
    let (whole, split) = (Case::new(300, 15), Case::new(3, 900));
    for (case, total, expected) in
        [(&whole, false, 1), (&whole, false, 1), (&split, false, 2), (&whole, true, 3), (&split, true, 3)]
    {
        let (mut values, mut indices) = (vec![0.0; 2 * case.targets()], vec![0; case.targets()]);
        let mut pieces = [if total { Piece::total(2, &mut values[..2]) } else { Piece::rows(2, &mut values) }];
        let result = reduce(ONE, &kernel, Pairs::default(), &case.views(), &mut pieces, Some((&mut indices).into()));
        assert_eq!((result, stand_in.number("stand_in_modules") - loaded), (Ok(()), expected));
    }
    stand_in.assert_clean();
}

/// A kernel whose texts no test has loaded.
fn fresh_kernel() -> Kernel {
    let modules = kernel().modules.iter().map(|&(name, text)| (name, &*text.to_owned().leak()));
    Kernel { modules: modules.collect::<Vec<_>>().leak(), ..kernel() }
}

#[test]
#[ignore = "run by the test that provides the library"]
fn kernels_are_launched_while_another_is_compiled() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(300, 40);
    assert_eq!(case.whole(), Ok(case.expected()), "this kernel is there from here on");
    let loaded = stand_in.number("stand_in_modules");
    stand_in.hold(true);
    let (done, answer) = mpsc::channel();
    let others = std::thread::scope(|scope| {
        let compiled = scope.spawn(|| case.whole_of(&fresh_kernel(), ONE));
        while stand_in.number("stand_in_modules") == loaded {
            std::thread::yield_now();
        }
        scope.spawn(|| {
            let result = case.whole();
            // nobody listens if that was too late
            let _ = done.send(result);
        });
        let others = answer.recv_timeout(Duration::from_secs(20));
        stand_in.hold(false);
        assert_eq!(compiled.join().expect("it does not panic"), Ok(case.expected()));
        others
    });
    assert_eq!(others, Ok(Ok(case.expected())));
    stand_in.assert_clean();
}

#[test]
#[ignore = "run by the test that provides the library"]
fn a_module_that_did_not_load_is_loaded_again() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(3, 900);
    assert_eq!(case.whole(), Ok(case.expected()), "the device is open from here on");
    for failing in 0.. {
        let kernel = fresh_kernel();
        stand_in.fail(failing);
        let first = case.whole_of(&kernel, ONE);
        let calls = stand_in.number("stand_in_calls");
        stand_in.fail(-1);
        assert_eq!(case.whole_of(&kernel, ONE), Ok(case.expected()), "call {failing} failed: {first:?}");
        if calls <= failing as u64 {
            break;
        }
    }
    stand_in.assert_clean();
}

/// The driver reserves it for all threads at a time: here 2 multiprocessors of 64.
#[test]
#[ignore = "run by the test that provides the library"]
fn local_memory() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(300, 40);
    assert_eq!(case.whole(), Ok(case.expected()), "the device is open from here on");
    let all = |bytes: usize| 128 * bytes;
    // of which a quarter at least are targets
    let has_room = |bytes: u32| {
        stand_in.put("stand_in_local", bytes.into());
        Cuda.has_room(
            0,
            &Kernel { sizes: Sizes { local_bytes: bytes as usize / 4 + 1, ..kernel().sizes }, ..fresh_kernel() },
        )
    };
    let on_device = |bytes| {
        stand_in.put("stand_in_local", bytes);
        case.whole_of(&fresh_kernel(), ONE)
    };
    // more than the device has
    assert!(has_room(0) && has_room(8 << 20) && !has_room((8 << 20) + 1));
    let needed = all(9 << 20);
    assert_eq!(on_device(9 << 20), Err(Error::DeviceMemory { needed, free: 1 << 30 }));
    // more than is free
    stand_in.set(2, 10_000_000);
    assert_eq!(release_kept(), Ok(()));
    assert!(has_room(16 << 10) && has_room(70_000) && !has_room(100_000));
    let error = on_device(100_000);
    let needed_here = all(100_000);
    assert!(
        matches!(error, Err(Error::DeviceMemory { needed, free: 9_000_000..=10_000_000 }) if needed == needed_here)
    );
    assert_eq!(on_device(70_000), Ok(case.expected()));
    // what is reserved already is there
    assert!(has_room(100_000) && !has_room(200_000));
    stand_in.set(2, 1 << 30);
    assert_eq!(on_device(100_000), Ok(case.expected()));
    stand_in.put("stand_in_local", 0);
    stand_in.assert_clean();
}

/// One that cannot run the kernels.
#[test]
#[ignore = "run by the test that provides the library"]
fn an_old_device_is_left_out() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(300, 40);
    let handles = || {
        assert_eq!(release_kept(), Ok(()));
        assert_eq!(case.whole_on(Devices::All), Ok(case.expected()));
        stand_in.number("stand_in_live_handles")
    };
    let both = handles();
    assert_eq!(Cuda.first_available(), Some(0));
    stand_in.put("stand_in_capability", 7);
    assert_eq!((Cuda.first_available(), is_available(0), is_available(1)), (Some(1), false, true));
    assert_eq!(2 * handles(), both, "a stream on one of two");
    stand_in.put("stand_in_capability", 9);
    stand_in.assert_clean();
}

/// Two parts of the staging buffers, and more.
#[test]
#[ignore = "run by the test that provides the library"]
fn long_copies() {
    let Some(stand_in) = StandIn::new() else { return };
    for len in [0, 1, 16 << 10, (512 << 10) + 3, (1 << 20) + 1, (2 << 20) + 7, (5 << 20) + 3] {
        let numbers = numbers(len, 5);
        let array = upload(0, &numbers).expect("it fits");
        let mut back = vec![f32::NAN; len];
        read(&array, &mut back).expect("it is there");
        assert!(back == numbers, "{len}");
        drop(array);
        stand_in.assert_clean();
    }
}

/// Whichever thread it is of.
#[test]
#[ignore = "run by the test that provides the library"]
fn the_next_call_uses_what_is_kept() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(300, 40);
    for (devices, streams) in [(ONE, 1), (Devices::All, 2)] {
        assert_eq!(case.whole_on(devices), Ok(case.expected()));
        let state = || ["stand_in_live_bytes", "stand_in_made"].map(|name| stand_in.number(name));
        let before = state();
        stand_in.fail(-1);
        assert_eq!(alone(|| case.whole_on(devices)), Ok(case.expected()));
        let calls = stand_in.number("stand_in_calls");
        assert_eq!(state(), before);
        assert!(calls < 20 * streams, "{calls} calls of the driver");
        // more than what is there
        let larger = Case::new(1000, 31);
        assert_eq!(larger.whole_on(devices), Ok(larger.expected()));
        assert_eq!(case.whole_on(devices), Ok(case.expected()));
        stand_in.assert_clean();
    }
}

#[test]
#[ignore = "run by the test that provides the library"]
fn what_is_kept_is_let_go_where_memory_is_needed() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(3, 40_000);
    assert_eq!(case.whole(), Ok(case.expected()));
    // room for what is kept, about half a megabyte, or for the array
    stand_in.set(2, 600_000);
    let numbers = numbers(100_000, 1);
    let array = upload(0, &numbers).expect("there is room without what is kept");
    let mut back = vec![0.0; numbers.len()];
    read(&array, &mut back).expect("it is there");
    assert!(back == numbers);
    stand_in.set(2, 1 << 30);
    drop(array);
    stand_in.assert_clean();
}

#[test]
#[ignore = "run by the test that provides the library"]
fn results_of_all_devices_do_not_stay() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(300, 40);
    let (mut values, mut indices) = (Array::default(), vec![0; 300]);
    let mut pieces = [Piece::rows(2, To::Array(&mut values))];
    let result =
        reduce(Devices::All, &kernel(), Pairs::default(), &case.views(), &mut pieces, Some((&mut indices).into()));
    assert_eq!(result, Err(Error::NotOnePlace));
    stand_in.assert_clean();
}

#[test]
#[ignore = "run by the test that provides the library"]
fn any_call_of_the_driver_may_fail() {
    let Some(stand_in) = StandIn::new() else { return };
    for (case, devices) in [(Case::new(3, 900), ONE), (Case::new(300, 40), Devices::All)] {
        assert_eq!(case.whole_on(devices), Ok(case.expected()), "the devices are open from here on");
        for failing in 0.. {
            stand_in.fail(failing);
            let result = case.whole_on(devices);
            let calls = stand_in.number("stand_in_calls");
            stand_in.fail(-1);
            stand_in.assert_clean();
            if calls <= failing as u64 {
                assert_eq!(result, Ok(case.expected()), "no call failed");
                assert!(failing > 10);
                break;
            }
            match result {
                Ok(result) => assert_eq!(result, case.expected(), "whatever failed did not matter"),
                Err(Error::Cuda { operation, name, code }) => {
                    assert_eq!((name, code), ("CUDA_ERROR_INVALID_CLUSTER_SIZE", 912), "{operation}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    let (case, mut total) = (Case::new(3, 900), [0.0_f32; 2]);
    let mut indices = [0; 3];
    let mut pieces = [Piece::total(2, &mut total)];
    let call = reduce(ONE, &kernel(), Pairs::default(), &case.views(), &mut pieces, Some((&mut indices).into()));
    assert_eq!(call, Ok(()), "the device still works");
}

#[test]
#[ignore = "run by the test that provides the library"]
fn too_little_memory() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(3, 900);
    stand_in.set(2, 1000);
    let error = case.whole();
    assert!(matches!(error, Err(Error::DeviceMemory { needed: 10_000..20_000, free: 1000 })), "{error:?}");
    // Enough for the arguments, but not for as many states as there would be.
    stand_in.set(2, 13_100);
    assert_eq!(case.whole(), Ok(case.expected()));
    stand_in.set(2, 1 << 30);
    stand_in.assert_clean();
}

#[test]
#[ignore = "run by the test that provides the library"]
fn what_there_is_not() {
    let Some(stand_in) = StandIn::new() else { return };
    let (case, mut values, mut indices) = (Case::new(3, 4), [0.0_f32; 6], [0; 3]);
    let mut call = |kernel: &Kernel, ordinal| {
        let mut pieces = [Piece::rows(2, &mut values)];
        reduce(Devices::One(ordinal), kernel, Pairs::default(), &case.views(), &mut pieces, Some((&mut indices).into()))
    };
    let none = |kernel: &str| Err(Error::NoKernel { formula: "f", kernel: kernel.to_owned() });
    assert_eq!(call(&Kernel { name: "g".to_owned(), ..kernel() }, 0), none("g"));
    assert_eq!(call(&Kernel { name: "f\0".to_owned(), ..kernel() }, 0), none("f\0"));
    assert_eq!(call(&Kernel { modules: &[], ..kernel() }, 0), none("f"));
    assert_eq!(call(&Kernel { modules: &[("f", "f_merge")], ..kernel() }, 0), none("f"));
    assert_eq!(call(&Kernel { modules: &[("f\0", "f")], name: "f\0".to_owned(), ..kernel() }, 0), none("f\0"));
    for text in ["f\0", "no PTX"] {
        let kernel = Kernel { modules: Box::leak(Box::new([("f", text)])), ..kernel() };
        assert!(matches!(call(&kernel, 0), Err(Error::Cuda { code: 218, .. })));
    }
    let reason = "there are 2, from 0 to 1".to_owned();
    assert_eq!(call(&kernel(), 2), Err(Error::NoCudaDevice { ordinal: 2, reason }));
    stand_in.assert_clean();
}

/// A binary is taken in place of the text where it is for the device, and the text where the driver refuses it.
#[test]
#[ignore = "run by the test that provides the library"]
fn binaries_are_taken_where_they_fit() {
    let Some(stand_in) = StandIn::new() else { return };
    const GOOD: &[u8] = b"f";
    const BAD: &[u8] = b"rubbish";
    type Binaries = &'static [(&'static str, u32, &'static [u8])];
    let refused = |result| matches!(result, Err(Error::Cuda { code: 218, .. }));
    // the binaries, the text, the device, and whether the driver took one of them at which attempt
    let cases: [(Binaries, &str, usize, Option<u64>); 9] = [
        (&[("f", 90, GOOD)], "no PTX", 0, Some(1)),
        (&[("f", 90, GOOD)], "no PTX", 1, Some(1)),
        (&[("f", 80, BAD), ("f", 90, BAD), ("f", 91, GOOD), ("f", 92, BAD)], "no PTX", 1, Some(1)),
        (&[("f", 91, GOOD), ("f", 80, GOOD), ("f", 100, GOOD), ("f_merge", 90, GOOD)], "f", 0, Some(1)),
        (&[("f", 91, GOOD)], "no PTX", 0, None),
        (&[("f", 80, GOOD)], "no PTX", 0, None),
        (&[("f_merge", 90, GOOD)], "no PTX", 0, None),
        (&[("f", 90, BAD)], "f", 0, Some(2)),
        (&[("f", 90, BAD)], "no PTX", 0, None),
    ];
    for (cubins, text, ordinal, attempts) in cases {
        // a text of its own: others have been loaded
        let modules = vec![("f", &*text.to_owned().leak())];
        let kernel = Kernel { modules: modules.leak(), cubins, ..kernel() };
        let (case, mut values, mut indices) = (Case::new(3, 4), [0.0_f32; 6], [0; 3]);
        let loaded = stand_in.number("stand_in_modules");
        let mut pieces = [Piece::rows(2, &mut values)];
        let devices = Devices::One(ordinal);
        let result =
            reduce(devices, &kernel, Pairs::default(), &case.views(), &mut pieces, Some((&mut indices).into()));
        match attempts {
            Some(attempts) => assert_eq!((result, stand_in.number("stand_in_modules") - loaded), (Ok(()), attempts)),
            None => assert!(refused(result), "{cubins:?} on {ordinal}"),
        }
    }
    stand_in.assert_clean();
}

#[test]
#[ignore = "run by the test that provides the library"]
fn threads_do_not_disturb_each_other() {
    let Some(stand_in) = StandIn::new() else { return };
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..20 {
                    let case = Case::new(1 + 37 * thread, 50 * round);
                    assert_eq!(case.whole(), Ok(case.expected()));
                }
            });
        }
    });
    stand_in.assert_clean();
}
