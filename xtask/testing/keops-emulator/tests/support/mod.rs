//! Helpers of the tests: a device with one module, and kernels around a few instructions.
#![allow(dead_code, reason = "each test file uses some of them")]

use keops_emulator::{Device, Error, Grid, Module, Options};

/// A device and a module on it.
pub(crate) struct Bench {
    /// The device.
    pub(crate) device: Device,
    /// The module.
    pub(crate) module: Module,
}

/// The head of a module.
pub(crate) const HEAD: &str = ".version 7.8\n.target sm_80\n.address_size 64\n";

/// Quiet options for tests that provoke faults.
pub(crate) fn quiet() -> Options {
    Options { print: false, steps: 50_000_000, ..Options::default() }
}

impl Bench {
    /// Loads a module; the head is added.
    pub(crate) fn new(text: &str) -> Self {
        Self::with(quiet(), text)
    }

    /// As `new`, with options.
    pub(crate) fn with(options: Options, text: &str) -> Self {
        let mut device = Device::new(options);
        let module = device.load(&format!("{HEAD}{text}")).unwrap_or_else(|error| panic!("{error}"));
        Self { device, module }
    }

    /// Allocates and fills memory.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u64 {
        let address = self.device.allocate(bytes.len() as u64).unwrap();
        self.device.write(address, bytes).unwrap();
        address
    }

    /// Memory of `f32`.
    pub(crate) fn floats(&mut self, values: &[f32]) -> u64 {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// Memory of `f64`.
    pub(crate) fn doubles(&mut self, values: &[f64]) -> u64 {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// Memory of `u64`.
    pub(crate) fn words(&mut self, values: &[u64]) -> u64 {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// Reads `f32`.
    pub(crate) fn get_floats(&mut self, address: u64, count: usize) -> Vec<f32> {
        let mut bytes = vec![0; 4 * count];
        self.device.read(address, &mut bytes).unwrap();
        bytes.chunks(4).map(|part| f32::from_le_bytes(part.try_into().unwrap())).collect()
    }

    /// Reads `f64`.
    pub(crate) fn get_doubles(&mut self, address: u64, count: usize) -> Vec<f64> {
        self.get_words(address, count).into_iter().map(f64::from_bits).collect()
    }

    /// Reads `u64`.
    pub(crate) fn get_words(&mut self, address: u64, count: usize) -> Vec<u64> {
        let mut bytes = vec![0; 8 * count];
        self.device.read(address, &mut bytes).unwrap();
        bytes.chunks(8).map(|part| u64::from_le_bytes(part.try_into().unwrap())).collect()
    }

    /// Runs a kernel.
    pub(crate) fn run(&mut self, name: &str, grid: Grid, arguments: &[&[u8]]) -> Result<u64, Error> {
        let kernel = self.device.kernel(self.module, name)?;
        self.device.launch(kernel, grid, arguments)
    }
}

/// The text of a kernel `k(in, out)` of one thread: `%rd1` and `%rd2` are the addresses, `body` does the work.
pub(crate) fn kernel(body: &str) -> String {
    format!(
        ".visible .entry k(.param .u64 .ptr .align 8 a, .param .u64 b)\n{{\n.reg .pred %p<9>; .reg .b16 %rs<9>; \
         .reg .b32 %r<20>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %fd<20>;\n\
         ld.param.u64 %rd1, [a];\nld.param.u64 %rd2, [b];\n{body}\nret;\n}}\n"
    )
}

/// Applies one instruction to arguments. Registers are named by the type letters: `b32`, `f32` and so on.
/// The instruction is `name D, A, B, C;` with the given types of D, A, B, C.
pub(crate) fn apply(name: &str, types: &[&str], arguments: &[u64]) -> u64 {
    let mut text = String::new();
    let register = |at: usize| format!("%x{at}");
    for (at, kind) in types.iter().enumerate() {
        text += &format!(".reg .{kind} {};\n", register(at));
        if at == 0 {
            continue;
        }
        if *kind == "pred" {
            text += &format!("ld.global.b32 %r1, [%rd1+{}]; setp.ne.b32 {}, %r1, 0;\n", 8 * (at - 1), register(at));
        } else {
            text += &format!("ld.global.{kind} {}, [%rd1+{}];\n", register(at), 8 * (at - 1));
        }
    }
    let list: Vec<String> = (0..types.len()).map(register).collect();
    text += &format!("{name} {};\nmov.b64 %rd3, 0; st.global.b64 [%rd2], %rd3;\n", list.join(", "));
    if types[0] == "pred" {
        text += &format!("selp.b32 %r1, 1, 0, {}; st.global.b32 [%rd2], %r1;\n", register(0));
    } else {
        text += &format!("st.global.{} [%rd2], {};\n", types[0], register(0));
    }
    let mut bench = Bench::new(&kernel(&text));
    let input = bench.words(arguments);
    let output = bench.words(&[0]);
    bench.run("k", Grid::line(1, 1), &[&input.to_le_bytes(), &output.to_le_bytes()]).unwrap();
    bench.get_words(output, 1)[0]
}
