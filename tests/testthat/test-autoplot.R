skip_if_not_installed("ggplot2")

draw <- function(picture) {
  expect_s3_class(picture, "ggplot")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_warning(print(picture))
  invisible(picture)
}

autoplot <- function(...) getExportedValue("ggplot2", "autoplot")(...)

test_that("every picture of a linear fit draws", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  for (type in c("residuals", "qq", "spread", "groups")) {
    draw(autoplot(fit, type = type))
  }
  draw(autoplot(ranef(fit)))
  draw(autoplot(ranef(fit, condVar = FALSE)))
  draw(autoplot(influence(fit, "Subject")))
  draw(autoplot(opt_summary(fit)))
  draw(autoplot(allFit(fit, optimizers = c("newton", "LN_BOBYQA"))))
  pr <- profile(fit, which = "beta_")
  draw(autoplot(pr))
  draw(autoplot(pr, type = "density"))
})

test_that("generalized fits and several factors draw, too", {
  fit <- rglmm(
    TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION),
    grouseticks,
    family = poisson
  )
  draw(autoplot(fit))
  draw(autoplot(fit, type = "qq"))
  draw(autoplot(fit, type = "groups", group = "LOCATION", max_groups = 6))
  shown <- draw(autoplot(ranef(fit)))
  expect_equal(nrow(shown$data), sum(ngrps(fit)))
  expect_equal(
    sort(shown$data$condval),
    sort(unlist(lapply(ranef(fit), `[[`, 1)), decreasing = FALSE),
    ignore_attr = TRUE
  )
})

test_that("two groups are as good as many", {
  data <- droplevels(subset(sleepstudy, Subject %in% c("308", "335")))
  fit <- suppressMessages(rlmm(Reaction ~ Days + (1 | Subject), data))
  draw(autoplot(ranef(fit)))
  draw(autoplot(fit, type = "groups"))
})

test_that("coefficients, replicates, groups alone and power have pictures too", {
  skip_if_not_installed("ggplot2")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  is_drawn <- \(picture) {
    expect_s3_class(picture, "ggplot")
    expect_silent(ggplot2::ggplot_build(picture))
  }
  with_errors <- ggplot2::autoplot(coef(fit, se = TRUE), level = 0.9)
  is_drawn(with_errors)
  table <- as.data.frame(coef(fit, se = TRUE), level = 0.9)
  expect_equal(with_errors$data$upr, table$upr)
  is_drawn(ggplot2::autoplot(coef(fit)))
  is_drawn(ggplot2::autoplot(fit, type = "shrinkage"))
  alone <- lmList(Reaction ~ Days | Subject, sleepstudy)
  is_drawn(ggplot2::autoplot(alone))
  power <- simulate_power(
    fit,
    nsim = 10,
    extend = list(Subject = c(9, 18)),
    seed = 1
  )
  is_drawn(ggplot2::autoplot(power))
  b <- bootstrap(fit, 50, seed = 1)
  is_drawn(ggplot2::autoplot(b))
  ridges <- ggplot2::autoplot(b, type = "ridges", parm = "beta_")
  is_drawn(ridges)
  expect_equal(levels(ridges$data$parameter), names(fixef(fit)))
  expect_error(
    ggplot2::autoplot(simulate_power(fit, nsim = 2)),
    class = "rlmm_error_argument"
  )
})

test_that("labels of panels are broken where they are long", {
  label <- "cor_Days.(Intercept)|Subject"
  expect_equal(
    unname(wrapped(list(label))[[1]]),
    "cor_Days.(Intercept)|\nSubject"
  )
})

test_that("a diagnosis is one plot with a panel for each of its pictures", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  shown <- draw(autoplot(diagnose(fit)))
  expect_equal(nlevels(shown$data$panel), 7L)
  distance <- cooks.distance(influence(fit, "Subject", one_step = FALSE))
  of_subject <- shown$data$panel == "Cook's distance by Subject"
  expect_equal(shown$data$y[of_subject], unname(distance))
  ticks <- rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  shown <- draw(autoplot(diagnose(ticks)))
  counts <- tail(levels(shown$data$panel), 1L)
  zeros <- shown$data$y[shown$data$panel == counts][1L]
  expect_equal(zeros^2, sum(grouseticks$TICKS == 0))
})

test_that("pairs of profiles have contours in the parameters' units", {
  pr <- profile(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE))
  shown <- draw(autoplot(pr, type = "pairs", levels = 0.8))
  expect_equal(nlevels(shown$data$up), 3L)
  contours <- shown$data[!is.na(shown$data$level), ]
  expect_setequal(unique(contours$level), 0.8)
  # Where a contour is furthest to the right is a limit of the parameter by its profile.
  own <- contours[contours$right == ".sigma" & contours$up == "(Intercept)", ]
  cut <- sqrt(qchisq(0.8, 2))
  limits <- confint(pr, ".sigma", level = 1 - 2 * pnorm(-cut))
  expect_equal(range(own$x), as.vector(limits), tolerance = 1e-3)
  expect_error(
    autoplot(pr, type = "pairs", parm = ".sigma"),
    class = "rlmm_error_argument"
  )
})

test_that("groups over a factor draw", {
  fit <- rlmm(strength ~ cask + (1 | batch), Pastes)
  draw(autoplot(fit, type = "groups"))
})
