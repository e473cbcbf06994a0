sleep_bootstrap <- function(n = 200) {
  bootstrap(rlmm(Reaction ~ Days + (Days | Subject), sleepstudy), n, seed = 1)
}

test_that("standard deviations and correlations are those of VarCorr()", {
  b <- sleep_bootstrap(5)
  again <- refit(b$fit, simulate(b, which = 2))
  expected <- as.data.frame(VarCorr(again))$sdcor[c(1, 3, 2, 4)]
  expect_equal(unname(as.matrix(b)[2, 1:4]), expected, tolerance = 1e-6)
  expect_identical(
    colnames(as.matrix(b)),
    rownames(confint(b$fit, method = "Wald"))
  )
  expect_identical(
    colnames(as.matrix(b, signames = FALSE)),
    rownames(confint(b$fit, method = "Wald", signames = FALSE))
  )
  expect_equal(
    unname(bootstrap_estimates(b)),
    c(unname(variance_estimates(b$fit)$estimate), unname(fixef(b$fit)))
  )
})

test_that("correlation parameters are taken as they are", {
  fit <- rlmm(strength ~ 1 + cs(0 + cask | batch), Pastes)
  b <- bootstrap(fit, n = 8, seed = 1)
  values <- as.matrix(b, signames = FALSE)
  expect_identical(
    colnames(values),
    rownames(confint(fit, method = "Wald", signames = FALSE))
  )
  again <- refit(fit, simulate(b, which = 4))
  expect_equal(
    unname(values[4, seq_along(variance_estimates(again)$estimate)]),
    unname(variance_estimates(again)$estimate),
    tolerance = 1e-4
  )
})

test_that("intervals are those of package boot", {
  skip_if_not_installed("boot")
  b <- sleep_bootstrap(999)
  values <- as.matrix(b)
  as_boot <- structure(
    list(
      t0 = bootstrap_estimates(b),
      t = values,
      R = 999,
      sim = "parametric",
      call = quote(boot())
    ),
    class = "boot"
  )
  boot_ci <- getExportedValue("boot", "boot.ci")
  for (j in 1:6) {
    theirs <- boot_ci(as_boot, type = c("norm", "basic", "perc"), index = j)
    limits <- \(type) unname(confint(b, j, type = type)[1, ])
    expect_equal(limits("normal"), theirs$normal[2:3], tolerance = 1e-10)
    # The order statistics are the same: at 999 replicates there is nothing to interpolate.
    expect_equal(limits("percentile"), theirs$percent[4:5], tolerance = 1e-3)
    expect_equal(limits("basic"), theirs$basic[4:5], tolerance = 1e-3)
  }
})

test_that("the shortest interval is the shortest", {
  set.seed(1)
  sorted <- sort(stats::rexp(101))
  found <- shortest_interval(sorted, 0.8)
  all <- expand.grid(from = sorted, to = sorted)
  inside <- mapply(\(a, b) sum(sorted >= a & sorted <= b), all$from, all$to)
  enough <- all[inside >= 0.8 * 101, ]
  expect_equal(diff(found), min(enough$to - enough$from))
  b <- sleep_bootstrap()
  length <- \(type) apply(confint(b, type = type), 1, diff)
  expect_true(all(length("shortest") <= length("percentile") * 1.001))
  expect_identical(confint(b, "Days"), confint(b)["Days", , drop = FALSE])
  expect_identical(rownames(confint(b, "beta_")), c("(Intercept)", "Days"))
  expect_identical(confint(b, type = "perc"), confint(b))
})

test_that("data frames hold the replicates", {
  b <- sleep_bootstrap(20)
  long <- as.data.frame(b)
  expect_named(long, c("replicate", "type", "group", "name", "value"))
  expect_identical(nrow(long), 6L * 20L)
  days <- long[long$type == "beta" & long$name == "Days", ]
  expect_identical(days$value, unname(b$beta[, "Days"]))
  expect_setequal(long$type, c("beta", "sd", "cor", "sigma"))
  cor <- long[long$type == "cor", ]
  expect_true(all(cor$group == "Subject" & cor$name == "Days.(Intercept)"))
  theta <- as.data.frame(b, what = c("theta", "objective"))
  expect_identical(nrow(theta), 80L)
  coef <- as.data.frame(b, what = "coef")
  expect_equal(coef$statistic, coef$estimate / coef$std.error)
  wide <- as.data.frame(b, wide = TRUE)
  expect_identical(wide$Days, unname(b$beta[, "Days"]))
  expect_identical(dim(wide), c(20L, 8L))
})

test_that("print and summary", {
  b <- sleep_bootstrap(100)
  expect_identical(summary(b)$estimate, unname(bootstrap_estimates(b)))
  expect_equal(
    unname(as.matrix(summary(b)[c("lower", "upper")])),
    unname(confint(b))
  )
  expect_snapshot({
    print(b, digits = 3)
    writeLines(error_lines(confint(b, "days")))
    writeLines(error_lines(confint(b, type = "bca")))
    writeLines(error_lines(as.data.frame(b, what = "gamma")))
  })
})

test_that("separated replicates are counted", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  b <- bootstrap(fit, n = 20, seed = 1)
  expect_false(any(is_separated_replicate(b)))
  b$beta[3, 4] <- -15
  b$std_error[3, 4] <- 1e4
  expect_identical(which(is_separated_replicate(b)), 3L)
  expect_match(bootstrap_header(b), "1 separated", all = FALSE)
})

test_that("a plot is drawn", {
  skip_if_not_installed("lattice")
  b <- sleep_bootstrap(50)
  expect_s3_class(plot(b), "trellis")
  expect_s3_class(lattice::densityplot(b), "trellis")
  path <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(path)
  print(plot(b, "beta_"))
  grDevices::dev.off()
  expect_gt(file.size(path), 1000)
})

test_that("ridges are densities of standardized replicates", {
  skip_if_not_installed("lattice")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  b <- bootstrap(fit, 100, seed = 1)
  picture <- plot(b, "beta_", type = "ridges")
  expect_s3_class(picture, "trellis")
  curves <- bootstrap_ridges(drawn_parameters(b, "beta_"))
  days <- curves[curves$parameter == "Days", ]
  values <- as.matrix(b)[, "Days"]
  shape <- density((values - fixef(fit)[["Days"]]) / sd(values), n = 201)
  expect_equal(days$value, shape$x)
  expect_equal(days$height, 0.9 * shape$y / max(shape$y))
  expect_error(plot(b, type = "violin"), class = "rlmm_error_argument")
})
