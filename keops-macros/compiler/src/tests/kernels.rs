//! Kernels for GPUs that a build script left in a folder.

use std::{fs, process};

use quote::quote;

use crate::{device, expand, expand_with};

#[test]
fn kernels_are_those_of_the_formula() {
    let formula = quote!(
        fn product(x: Vi<3>, y: Vj<3>) -> Sum<j> {
            (x | y)
        }
    );
    let name = &device(formula.clone()).unwrap()[0].kernels[0].name;
    let folder = std::env::temp_dir().join(format!("keops-kernels-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let files = [
        format!("{name}_f32.ptx"),
        format!("{name}_f32.sm_90.cubin"),
        format!("{name}_f32.sm_100.cubin"),
        // files whose compute capability is no number, and files of no formula
        format!("{name}_f32.sm_90a.cubin"),
        format!("{name}_f32.sm_90.unfinished"),
        "k0000000000000000_f32.ptx".to_owned(),
        "k0000000000000000_f32.sm_90.cubin".to_owned(),
    ];
    for file in &files {
        fs::write(folder.join(file), "").unwrap();
    }
    let expansion = expand_with(formula.clone(), Some(&folder)).to_string();
    fs::remove_dir_all(&folder).unwrap();
    let at = |file: &String| expansion.matches(&format!("{file}\"")).count();
    assert_eq!(files.iter().map(at).collect::<Vec<_>>()[3..], [0; 4]);
    // the kernels of the value, which its derivatives do not have
    let path = |file: &String| folder.join(file).to_str().unwrap().to_owned();
    let [ptx, sm_90, sm_100] = [0, 1, 2].map(|file: usize| path(&files[file]));
    let title = format!("{name}_f32");
    let modules = quote!(modules: &[(#title, ::core::include_str!(#ptx))],).to_string();
    let cubins = quote!(
        cubins: &[(#title, 100u32, ::core::include_bytes!(#sm_100)), (#title, 90u32, ::core::include_bytes!(#sm_90))],
    );
    assert!(expansion.contains(&modules) && expansion.contains(&cubins.to_string()), "{expansion}");
    assert!(!expand(formula).to_string().contains("cubins"));
}
