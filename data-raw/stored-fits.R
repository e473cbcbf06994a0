# Makes tests/testthat/fixtures/fits-schema-2.rds: fits as they were saved by the version that had
# this schema first in a release. It isn't made again: what it has must stay readable. A new schema
# (see SPEC.md) has a file of its own.

library(rlmm)
file <- "tests/testthat/fixtures/fits-schema-2.rds"
stopifnot(!file.exists(file))
fits <- list(
  linear = rlmm(Reaction ~ Days + (Days | Subject), sleepstudy),
  binomial = rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  ),
  slim = rlmm(
    strength ~ 1 + (1 | batch / cask),
    Pastes,
    control = rlmm_control(slim = TRUE)
  )
)
saveRDS(fits, file, version = 2, compress = "xz")
