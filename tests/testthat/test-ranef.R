test_that("ranef() is lme4's, with conditional variances", {
  for_each_pair(function(fit, lme4) {
    ours <- ranef(fit)
    theirs <- lme4::ranef(lme4, condVar = TRUE)
    expect_equal(plain_modes(ours), plain_modes(theirs), tolerance = 1e-6)
    expect_s3_class(ours, "ranef.mer")
    for (group in names(theirs)) {
      ours_var <- attr(ours[[group]], "postVar")
      theirs_var <- attr(theirs[[group]], "postVar")
      expect_equal(ours_var, theirs_var, tolerance = 1e-6, ignore_attr = TRUE)
      if (is.list(theirs_var)) expect_named(ours_var, names(theirs_var))
    }
  })
})

test_that("as.data.frame() is lme4's", {
  for_each_pair(
    function(fit, lme4) {
      ours <- as.data.frame(ranef(fit))
      theirs <- as.data.frame(lme4::ranef(lme4, condVar = TRUE))
      expect_false(is.unsorted(ours$condval[match(
        levels(ours$grp),
        ours$grp
      )][seq_len(nrow(ranef(fit)[[1]]))]))
      # Levels with equal modes have no order.
      ours$grp <- as.character(ours$grp)
      theirs$grp <- as.character(theirs$grp)
      expect_equal(ours, theirs, tolerance = 1e-6)
      without <- as.data.frame(ranef(fit, condVar = FALSE))
      expect_named(without, setdiff(names(theirs), "condsd"))
      expect_equal(without$condval, theirs$condval, tolerance = 1e-6)
    },
    c("sleep", "pastes", "sleep_two_terms", "penicillin")
  )
})

test_that("drop, whichel and uscale", {
  fit <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
  dropped <- ranef(fit, drop = TRUE)
  expect_named(dropped$batch, levels(Pastes$batch))
  expect_length(attr(dropped$batch, "postVar"), 10)
  expect_equal(as.data.frame(dropped), as.data.frame(ranef(fit)))
  expect_named(ranef(fit, whichel = "batch"), "batch")
  expect_named(ranef(fit, whichel = 1), "cask:batch")
  expect_error(
    ranef(fit, whichel = "bacth"),
    class = "rlmm_error_unknown_group"
  )
  expect_snapshot(writeLines(error_lines(ranef(fit, whichel = "bacth"))))

  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  u <- as.matrix(ranef(fit, uscale = TRUE)$Subject)
  b <- as.matrix(ranef(fit, condVar = FALSE)$Subject)
  expect_equal(u %*% t(getME(fit, "lambda")$Subject), b, ignore_attr = TRUE)
  expect_null(attr(ranef(fit, uscale = TRUE)$Subject, "postVar"))
})

test_that("lme4 draws our random effects", {
  skip_if_not_installed("lme4")
  skip_if_not_installed("lattice")
  loadNamespace("lme4")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_s3_class(lattice::dotplot(ranef(fit))$Subject, "trellis")
  expect_s3_class(lattice::qqmath(ranef(fit))$Subject, "trellis")
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy
  )
  expect_s3_class(lattice::dotplot(ranef(fit))$Subject, "trellis")
})

test_that("random effects print as tables", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE)
  expect_snapshot(print(ranef(fit), digits = 4))
})

# Twenty separated binary responses: theta runs away to 1e12, where PIRLS has no digits.
test_that("modes without conditional variances are returned with a warning", {
  data <- read.csv(test_path("optima", "glmm-59201251.csv"))
  factors <- c("f", "g", "h", "k")
  data[factors] <- lapply(data[factors], factor)
  fit <- suppressWarnings(suppressMessages(rglmm(
    y ~ x + z + diag(0 + k | g, hom = TRUE) + (1 | h) + (1 | f:g),
    data,
    binomial("cauchit"),
    nAGQ = 0
  )))
  modes <- ranef(fit, condVar = FALSE)
  found <- suppressWarnings(
    ranef(fit),
    classes = "rlmm_warning_inestimable"
  )
  expect_equal(found, modes, ignore_attr = "postVar")
})
