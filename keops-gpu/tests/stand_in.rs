//! The engine on a library in the place of the CUDA driver: results, errors, and what is left behind.
//!
//! The driver of a process is found once, so the tests run in a process of their own, with the library in front of
//! the search path.
#![cfg(target_os = "linux")]

use std::{env, fs, path::PathBuf, process::Command};

use keops_core::{arguments::View, cpu::Piece, error::Error, formula::Variable};
use keops_gpu::{Kernel, devices, is_available, reduce};
use libloading::Library;

/// Set in the process that has the library.
const INSIDE: &str = "KEOPS_TEST_STAND_IN";

const VARIABLES: &[Variable] =
    &[Variable::target("x", 2), Variable::source("y", 2), Variable::source("b", 1), Variable::parameter("p", 1)];

#[test]
fn with_a_library_in_the_place_of_the_driver() {
    let exe = env::current_exe().expect("the test has a file");
    let target = exe.ancestors().nth(2).expect("it is in deps/");
    let library = target.join("examples/libstand_in_driver.so");
    assert!(library.exists(), "{}: an example, built with all targets of the package", library.display());
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

    fn fail(&self, call: i64) {
        // SAFETY: its parameters.
        unsafe { (self.0.get::<extern "C" fn(i64)>("stand_in_fail").expect("it has it"))(call) }
    }

    fn assert_clean(&self) {
        assert_eq!((self.number("stand_in_live_bytes"), self.number("stand_in_violations")), (0, 0));
    }
}

fn kernel() -> Kernel {
    Kernel {
        ptx: "of the stand-in",
        name: "f".to_owned(),
        formula: "f",
        variables: VARIABLES,
        values: 2,
        indices: 1,
        state_words: 3,
        block_targets: 128,
        tile_sources: 8,
        shared_bytes: 0,
    }
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
        let (mut values, mut indices) = (vec![0.0; 2 * self.targets()], vec![0; self.targets()]);
        reduce(0, &kernel(), &self.views(), &mut [Piece::rows(2, &mut values)], Some(&mut indices))?;
        Ok((values, indices))
    }
}

#[test]
#[ignore = "run by the test that provides the library"]
fn results() {
    let Some(stand_in) = StandIn::new() else { return };
    assert_eq!((devices(), is_available(0), is_available(1)), (Ok(1), true, false));
    for (targets, sources) in [(1, 1), (1, 1000), (300, 0), (129, 31), (128, 32), (1000, 77), (5, 4099)] {
        let case = Case::new(targets, sources);
        assert_eq!(case.whole(), Ok(case.expected()), "{targets} x {sources}");
        stand_in.assert_clean();
    }
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

        let mut pieces = [Piece::total(&mut total)];
        assert_eq!(reduce(0, &kernel(), &case.views(), &mut pieces, Some(&mut indices)), Ok(()));
        assert_eq!(total, [0, 1].map(|c| column(c).sum::<f32>()));
        assert_eq!(indices, counts);

        let mut pieces = [Piece::rows(1, &mut rows), Piece::total(&mut total[..1])];
        assert_eq!(reduce(0, &kernel(), &case.views(), &mut pieces, Some(&mut indices)), Ok(()));
        assert_eq!((rows.clone(), total[0]), (column(0).collect(), column(1).sum()));
        stand_in.assert_clean();
    }
}

#[test]
#[ignore = "run by the test that provides the library"]
fn any_call_of_the_driver_may_fail() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(3, 900);
    assert_eq!(case.whole(), Ok(case.expected()), "the device is open from here on");
    let (values, mut total) = (case.expected().0, [0.0_f32; 2]);
    for failing in 0.. {
        stand_in.fail(failing);
        let result = case.whole();
        let calls = stand_in.number("stand_in_calls");
        stand_in.fail(-1);
        stand_in.assert_clean();
        if calls <= failing as u64 {
            assert_eq!(result, Ok((values, case.expected().1)), "no call failed");
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
    let mut indices = [0; 3];
    let call = reduce(0, &kernel(), &case.views(), &mut [Piece::total(&mut total)], Some(&mut indices));
    assert_eq!(call, Ok(()), "the device still works");
}

#[test]
#[ignore = "run by the test that provides the library"]
fn too_little_memory() {
    let Some(stand_in) = StandIn::new() else { return };
    let case = Case::new(3, 900);
    assert_eq!(case.whole(), Ok(case.expected()));
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
        reduce(ordinal, kernel, &case.views(), &mut [Piece::rows(2, &mut values)], Some(&mut indices))
    };
    let none = |kernel: &str| Err(Error::NoKernel { formula: "f", kernel: kernel.to_owned() });
    assert_eq!(call(&Kernel { name: "g".to_owned(), ..kernel() }, 0), none("g"));
    assert_eq!(call(&Kernel { name: "f\0".to_owned(), ..kernel() }, 0), none("f\0"));
    assert_eq!(call(&Kernel { ptx: "", ..kernel() }, 0), none("f"));
    assert!(matches!(call(&Kernel { ptx: "a\0b", ..kernel() }, 0), Err(Error::Cuda { code: 218, .. })));
    let reason = "there is one, number 0".to_owned();
    assert_eq!(call(&kernel(), 1), Err(Error::NoCudaDevice { ordinal: 1, reason }));
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
