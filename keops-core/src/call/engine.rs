//! The choice of an engine.

use pulp::Arch;

use crate::{
    call::{Element, Pass, over},
    cpu::Cpu,
    data::{Device, Error, Neighbours, To, View, room},
    problem::{
        Engine, Outputs, Piece,
        cuda::{Devices, Engines, Kernel},
    },
};

/// The engine that a pass runs on.
enum Choice {
    Cpu,
    Cuda(&'static dyn Engines, Devices, Kernel),
}

/// Chooses the engine for a pass and runs it; on the processor with the instruction set `arch`.
///
/// # Errors
/// Outputs that do not fit the result; a device that does not exist; errors of the device.
pub(super) fn reduce<T: Element>(
    arch: Arch,
    pass: &Pass<'_, T>,
    pieces: &mut [Piece<'_, T>],
    indices: Option<To<'_, u32>>,
) -> Result<(), Error> {
    let problem = pass.problem();
    let mut outputs = Outputs::new(problem, pieces, indices)?;
    run(arch, pass, &mut outputs)
}

/// Runs a pass whose result is lists, on the processor.
///
/// # Errors
/// [`Error::OnlyOnCpu`]; no memory.
pub(super) fn lists<T: Element>(arch: Arch, pass: &Pass<'_, T>) -> Result<Neighbours<T>, Error> {
    let problem = pass.problem();
    let (mut lists, mut counts) = (Neighbours::default(), room(problem.rows_of(None), problem.signature().indices)?);
    let mut outputs = Outputs::new(problem, &mut [], Some(To::Host(&mut counts)))?;
    outputs.lists = Some(&mut lists);
    run(arch, pass, &mut outputs)?;
    Ok(lists)
}

/// Runs the pass, over ranks if it has some.
fn run<T: Element>(arch: Arch, pass: &Pass<'_, T>, outputs: &mut Outputs<'_, '_, T>) -> Result<(), Error> {
    match &pass.settings.over {
        Some(ranks) => over::run(ranks, arch, pass, outputs),
        None => run_here(arch, pass, outputs),
    }
}

/// Chooses the engine and runs the pass in this process.
pub(super) fn run_here<T: Element>(
    arch: Arch,
    pass: &Pass<'_, T>,
    outputs: &mut Outputs<'_, '_, T>,
) -> Result<(), Error> {
    let problem = pass.problem();
    match Choice::of(pass)? {
        Choice::Cpu => {
            let approximation = pass.approximation;
            Cpu { arch, kernel: pass.kernel, layout: pass.layout, approximation }.reduce(problem, outputs)
        }
        Choice::Cuda(engines, devices, kernel) => T::engines(engines).engine(devices, kernel).reduce(problem, outputs),
    }
}

impl Choice {
    /// The choice for a pass. A pass that may run anywhere runs on the device of its arguments, if they are on one;
    /// else on the first CUDA device that can run kernels, if the formula has a kernel and the device has room for it;
    /// else on the processor. It is an error if the pass cannot run on the device that was asked for.
    fn of<T: Element>(pass: &Pass<'_, T>) -> Result<Self, Error> {
        let (problem, settings) = (pass.problem(), pass.settings);
        if pass.layout.within {
            let elsewhere = problem.views().iter().any(|view| view.device().is_some());
            return match settings.device {
                Device::Auto | Device::Cpu if !elsewhere => Ok(Self::Cpu),
                _ => Err(Error::OnlyOnCpu { formula: problem.signature().name }),
            };
        }
        let on_cuda = |devices| {
            let engines = settings.cuda.ok_or(Error::BuiltWithoutCuda)?;
            Ok(Self::Cuda(engines, devices, cuda_kernel(pass)?))
        };
        let (device, place) = match settings.device {
            Device::Cuda(ordinal) => (settings.device, on_cuda(Devices::One(ordinal))?),
            Device::AllCuda => (settings.device, on_cuda(Devices::All)?),
            Device::Cpu => (settings.device, Self::Cpu),
            Device::Auto => match problem.views().iter().find_map(View::device) {
                Some(Device::Cuda(ordinal)) => (Device::Cuda(ordinal), on_cuda(Devices::One(ordinal))?),
                _ => match preferred(pass) {
                    Some((engines, ordinal, kernel)) => {
                        (Device::Cuda(ordinal), Self::Cuda(engines, Devices::One(ordinal), kernel))
                    }
                    None => (Device::Cpu, Self::Cpu),
                },
            },
        };
        for (variable, view) in problem.signature().variables.iter().zip(problem.views()) {
            if let Some(place) = view.device().filter(|&place| place != device) {
                return Err(Error::OtherDevice { variable: variable.name, place, device });
            }
        }
        Ok(place)
    }
}

/// The kernel of a pass for CUDA devices.
fn cuda_kernel<T: Element>(pass: &Pass<'_, T>) -> Result<Kernel, Error> {
    Kernel::new(pass.problem().signature(), &pass.image, T::NAME)
}

/// The CUDA device that a pass prefers to the processor, with its engines and the kernel of the pass.
fn preferred<T: Element>(pass: &Pass<'_, T>) -> Option<(&'static dyn Engines, usize, Kernel)> {
    let engines = pass.settings.cuda.filter(|_| pass.image.cuda.is_some())?;
    let ordinal = engines.first_available()?;
    let kernel = cuda_kernel(pass).ok()?;
    engines.has_room(ordinal, &kernel).then_some((engines, ordinal, kernel))
}
