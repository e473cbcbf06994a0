//! fit
/// x
#[derive(Debug)]
pub struct FitSettings;
/// x
#[derive(Debug)]
pub struct GlmmFit;
