//! What the engine answers on a machine without a CUDA driver. On a machine with one there is nothing to test.

use keops_core::{
    data::{Error, To, View},
    formula::{Index, Variable},
    launch::Sizes,
    problem::{Outputs, Pairs, Piece, Problem, Signature, cuda::Devices},
};
use keops_driver::{Status, status};
use keops_gpu::{Kernel, devices, is_available};

const VARIABLES: &[Variable] = &[Variable::target("x", 2), Variable::source("y", 2)];

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
        modules: &[],
        cubins: &[],
        name: "f".to_owned(),
        signature: Signature { name: "f", variables: VARIABLES, targets: Index::I, values: 1, indices: 0 },
        sizes: Sizes { state_words: 2, block_targets: 128, tile_sources: 128, shared_bytes: 1024, local_bytes: 0 },
    }
}

#[test]
fn no_devices() {
    if let Status::NoLibrary { reason } = status() {
        assert!(reason.contains("cuda"), "{reason}");
        assert_eq!(devices(), Ok(0));
        assert!(!is_available(0) && !is_available(usize::MAX));
    }
}

#[test]
fn a_call_says_what_is_missing() {
    if let Status::NoLibrary { reason } = status() {
        let (x, mut out) = ([1.0_f32; 4], [0.0; 2]);
        let views = [View::from_flat(&x, 2), View::from_flat(&x, 2)];
        for ordinal in [0, 7, usize::MAX] {
            let error = reduce(
                Devices::One(ordinal),
                &kernel(),
                Pairs::default(),
                &views,
                &mut [Piece::rows(1, &mut out)],
                None,
            );
            let reason = format!("there is no CUDA driver ({reason})");
            assert_eq!(error, Err(Error::NoCudaDevice { ordinal, reason }));
        }
    }
}

#[test]
fn arguments_are_checked_first() {
    let (x, mut out) = ([1.0_f32; 4], [0.0; 2]);
    let (good, bad) = (View::from_flat(&x, 2), View::from_flat(&x[..3], 2));
    let call = |views: &[View<'_, f32>], pieces: &mut [Piece<'_, f32>], indices: Option<To<'_, u32>>| {
        reduce(Devices::One(usize::MAX), &kernel(), Pairs::default(), views, pieces, indices)
    };
    let error = call(&[good.clone(), bad], &mut [Piece::rows(1, &mut out)], None);
    assert_eq!(error, Err(Error::FlatLength { variable: "y", len: 3, dim: 2 }));
    let error = call(std::slice::from_ref(&good), &mut [Piece::rows(1, &mut out)], None);
    assert_eq!(error, Err(Error::ArgumentCount { formula: "f", expected: 2, found: 1 }));
    let views = [good.clone(), good];
    let error = call(&views, &mut [Piece::rows(2, &mut out)], None);
    assert_eq!(error, Err(Error::OutputWidth { formula: "f", width: 1, found: 2 }));
    let error = call(&views, &mut [Piece::rows(1, &mut out[..1])], None);
    assert_eq!(error, Err(Error::OutputLength { rows: 2, width: 1, found: 1 }));
    let error = call(&views, &mut [Piece::rows(1, &mut out)], Some((&mut [0]).into()));
    assert_eq!(error, Err(Error::OutputLength { rows: 2, width: 0, found: 1 }));
}
