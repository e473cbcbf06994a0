# lme4 2.1 answers wrongly or by position for terms that aren't unstructured, or that share a
# factor.
differ_in_lme4 <- c(
  "L",
  "RZX",
  "devfun",
  "devcomp",
  "X",
  "mmList",
  "q_i",
  "flist"
)

expect_same_part <- function(ours, theirs, name) {
  if (is.list(theirs)) {
    expect_identical(
      names(ours),
      names(theirs),
      label = paste("names of", name)
    )
    for (i in seq_along(theirs)) {
      expect_same_part(ours[[i]], theirs[[i]], paste(name, i))
    }
  } else if (is.character(theirs)) {
    expect_identical(ours, theirs, label = name)
  } else {
    expect_values(ours, theirs, tolerance = 1e-5, label = name)
    if (!name %in% c("p_i", "m_i")) {
      expect_identical(
        names(ours),
        names(theirs),
        label = paste("names of", name)
      )
    }
    if (methods::is(theirs, "Matrix")) {
      expect_identical(
        class(ours),
        class(theirs),
        label = paste("class of", name)
      )
    }
  }
}

test_that("every name of lme4's getME() gives lme4's values", {
  for_each_pair(function(fit, lme4) {
    names <- eval(
      formals(getS3method("getME", "merMod", envir = asNamespace("lme4")))$name
    )
    expect_identical(setdiff(names, names(fit_parts)), character())
    # In a singular fit lme4 divides by zero above the diagonal of ST, too.
    if (isSingular(fit)) {
      names <- setdiff(names, "ST")
    }
    for (name in setdiff(names, differ_in_lme4)) {
      expect_same_part(getME(fit, name), lme4::getME(lme4, name), name)
    }
  })
})

test_that("X, mmList, flist and devcomp are lme4's", {
  for_each_pair(function(fit, lme4) {
    x <- lme4::getME(lme4, "X")
    expect_equal(getME(fit, "X"), x, ignore_attr = TRUE)
    expect_identical(dimnames(getME(fit, "X")), dimnames(x))
    expect_equal(attr(getME(fit, "X"), "assign"), attr(x, "assign"))
    ours <- getME(fit, "mmList")
    theirs <- lme4::getME(lme4, "mmList")
    for (i in seq_along(theirs)) {
      same <- which(vapply(
        theirs,
        \(m) identical(colnames(m), colnames(ours[[i]])),
        NA
      ))
      expect_true(any(vapply(
        theirs[same],
        \(m) isTRUE(all.equal(m, ours[[i]], check.attributes = FALSE)),
        NA
      )))
    }
    flist <- lme4::getME(lme4, "flist")
    expect_equal(attr(getME(fit, "flist"), "assign"), attr(flist, "assign"))
    expect_identical(
      lapply(getME(fit, "flist"), as.character),
      lapply(flist, as.character),
      ignore_attr = TRUE
    )
    devcomp <- lme4::getME(lme4, "devcomp")
    cmp <- names(getME(fit, "devcomp")$cmp)
    if (length(fixef(fit)) > 0) {
      expect_equal(
        getME(fit, "devcomp")$cmp,
        devcomp$cmp[cmp],
        tolerance = 1e-6
      )
    }
    shared <- intersect(names(devcomp$dims), names(getME(fit, "devcomp")$dims))
    expect_equal(getME(fit, "devcomp")$dims[shared], devcomp$dims[shared])
  })
})

test_that("the properties of MixedModels.jl", {
  fit <- rlmm(
    Reaction ~ 1 + Days + (1 + Days | Subject),
    sleepstudy,
    REML = FALSE
  )
  expect_equal(getME(fit, "dims"), c(n = 180L, p = 2L, q = 36L, k = 1L))
  expect_equal(getME(fit, "betas"), fixef(fit))
  expect_equal(getME(fit, "objective"), deviance(fit))
  lambda <- getME(fit, "lambda")$Subject
  expect_equal(
    unname(lambda[lower.tri(lambda, TRUE)]),
    unname(getME(fit, "theta"))
  )
  expect_equal(
    getME(fit, "sigmas")$Subject,
    attr(VarCorr(fit)$Subject, "stddev")
  )
  expect_equal(
    getME(fit, "sigmarhos")$Subject$rho,
    attr(VarCorr(fit)$Subject, "correlation")[2, 1]
  )
  expect_equal(
    getME(fit, "pvalues"),
    coef(summary(fit, ddf = "asymptotic"))[, "Pr(>|z|)"]
  )
  expect_equal(getME(fit, "corr"), cov2cor(vcov(fit)))
  map <- getME(fit, "parmap")
  expect_identical(
    map[c("theta", "row", "col")],
    data.frame(theta = 1:3, row = c(1L, 2L, 2L), col = c(1L, 1L, 2L))
  )
  expect_equal(getME(fit, "rePCA")$Subject[2], 1)
  expect_identical(getME(fit, "sqrtwts"), numeric())
  expect_identical(getME(fit, "feterm")$rank, 2L)
  expect_identical(getME(fit, "lowerbd"), getME(fit, "lower"))
  expect_equal(ncol(getME(fit, "Xymat")), 3)
  expect_s3_class(getME(fit, "optsum"), "rlmm_optsum")
})

test_that("several names, all, and unknown names", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_identical(getME(fit, c("n", "p")), list(n = 30L, p = 1L))
  expect_setequal(names(getME(fit, "ALL")), names(fit_parts))
  expect_error(getME(fit, "thata"), class = "rlmm_error_unknown_part")
  expect_snapshot({
    writeLines(error_lines(getME(fit, "thata")))
    writeLines(error_lines(getME(fit)))
  })
})
