# What a picture shows is in its panels' arguments; the pictures themselves were looked at.

skip_if_not_installed("lattice")

panel <- function(plot, i = 1L) plot$panel.args[[i]]

test_that("plot() shows residuals against fitted values", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  shown <- plot(fit)
  expect_s3_class(shown, "trellis")
  expect_equal(panel(shown)$x, unname(fitted(fit)))
  expect_equal(panel(shown)$y, unname(residuals(fit, type = "pearson")))
  expect_identical(shown$xlab, "Fitted values")
  expect_identical(shown$ylab, "Pearson residuals")
  expect_true(draws(shown))
})

test_that("a formula chooses what is drawn, panel by panel", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  shown <- plot(fit, resid(.) ~ Days | Subject)
  third <- sleepstudy$Subject == levels(sleepstudy$Subject)[[3L]]
  expect_length(shown$panel.args, 18L)
  expect_equal(panel(shown, 3L)$y, unname(resid(fit)[third]))
  expect_equal(panel(shown, 3L)$x, sleepstudy$Days[third])
  boxes <- plot(fit, Subject ~ resid(.))
  expect_equal(panel(boxes)$x, unname(resid(fit)))
  expect_identical(panel(boxes)$y, sleepstudy$Subject)
  expect_equal(panel(plot(fit, ~ resid(.)))$x, unname(resid(fit)))
  for (form in list(
    hatvalues(.) ~ fitted(.),
    ~ resid(.) | Subject,
    resid(.) ~ Subject
  )) {
    expect_true(draws(plot(fit, form)))
  }
})

test_that("variables that the model doesn't have come from its data", {
  data <- transform(sleepstudy, shift = rep(c("day", "night"), 90))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), data)
  expect_identical(
    levels(panel(plot(fit, resid(.) ~ shift))$x),
    c("day", "night")
  )
})

test_that("omitted rows, weights and generalized models are drawn too", {
  data <- sleepstudy
  data$Reaction[c(3, 50)] <- NA
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject),
    data,
    weights = Days + 1,
    na.action = na.exclude
  )
  shown <- plot(fit, resid(., type = "pearson") ~ Days)
  expect_equal(
    panel(shown)$y,
    unname(na.omit(residuals(fit, type = "pearson"))),
    ignore_attr = TRUE
  )
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  expect_true(draws(plot(fit)))
  expect_true(draws(plot(ranef(fit))))
})

test_that("outlying observations are labelled", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  labels <- plotted_labels(fit, 0.01, NULL, 180L)
  outlying <- abs(residuals(fit, type = "pearson", scaled = TRUE)) >
    qnorm(0.995)
  expect_identical(!is.na(labels), unname(outlying))
  expect_identical(
    labels[!is.na(labels)],
    as.character(sleepstudy$Subject[outlying])
  )
  expect_identical(
    plotted_labels(fit, ~ Days == 9, ~Days, 180L)[10L],
    "9"
  )
  expect_true(draws(plot(fit, id = 0.05)))
})

test_that("labels that would overlap are told from those that wouldn't", {
  points <- data.frame(x = c(1, 1.5, 50, 50.5, 100), y = c(1, 1, 1, 9, 9))
  seen <- new.env()
  shown <- lattice::xyplot(y ~ x, points, panel = function(x, y, ...) {
    labels <- c("1452", "1623", "7", "8", "160")
    seen$overlap <- labels_overlap(x, y, labels)
    draw_labels(x, y, labels)
  })
  expect_true(draws(shown))
  expect_identical(seen$overlap, c(TRUE, FALSE, FALSE, FALSE))
})

test_that("qqnorm() pairs sorted residuals with normal quantiles", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  shown <- qqnorm(fit)
  expected <- qqnorm(unname(residuals(fit)), plot.it = FALSE)
  expect_equal(panel(shown)$y, sort(expected$y))
  expect_equal(panel(shown)$x, sort(expected$x))
  expect_equal(panel(lattice::qqmath(fit)), panel(shown))
})

test_that("outlying observations are labelled beside normal quantiles, too", {
  days <- sleepstudy
  days$Reaction[3] <- NA
  fit <- rlmm(
    Reaction ~ Days + (Days | Subject),
    days,
    na.action = na.exclude
  )
  labelled <- function(drawn) {
    labels <- environment(drawn$panel)$labels
    stats::setNames(panel(drawn)$y, labels)[!is.na(labels)]
  }
  values <- stats::residuals(fit, type = "pearson", scaled = TRUE)
  outlying <- which(abs(values) > qnorm(0.995))
  expected <- residuals(fit)[outlying]
  names(expected) <- days$Subject[outlying]
  expect_equal(labelled(qqnorm(fit, id = 0.01)), sort(expected))
  drawn <- lattice::qqmath(fit, id = 0.01, type = c("p", "g"))
  expect_equal(labelled(drawn), sort(expected))
  of_days <- lattice::qqmath(fit, id = 0.01, idLabels = ~Days)
  expect_setequal(names(labelled(of_days)), days$Days[outlying])
  expect_true(draws(drawn))
  expect_error(
    lattice::qqmath(fit, id = 3),
    class = "rlmm_error_plot_id"
  )
})

test_that("plots say what they can't draw", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  slim <- rlmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    control = rlmm_control(slim = TRUE)
  )
  expect_snapshot({
    writeLines(error_lines(plot(fit, 3)))
    writeLines(error_lines(plot(fit, resid(.) ~ nothing)))
    writeLines(error_lines(plot(fit, 1:3 ~ resid(.))))
    writeLines(error_lines(plot(fit, id = 3)))
    writeLines(error_lines(plot(fit, id = 0.1, idLabels = 1:3)))
  })
  expect_error(plot(slim), class = "rlmm_error_slim")
})

test_that("qqmath() understands lattice's types, as scripts for lme4 give them", {
  skip_if_not_installed("lattice")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  drawn <- lattice::qqmath(fit, type = c("p", "r"))
  expect_s3_class(drawn, "trellis")
  expect_equal(drawn$panel.args.common$type, c("p", "r"))
  expect_equal(
    drawn$panel.args[[1]]$y,
    unname(sort(residuals(fit, type = "pearson")))
  )
})

test_that("a plot of parameters shows each of them once, and at least one", {
  skip_if_not_installed("lattice")
  skip_if_not_installed("ggplot2")
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  drawn <- bootstrap(fit, 5, seed = 1)
  profiled <- profile(fit)
  panels <- \(plot) length(plot$packet.sizes)
  expect_equal(panels(plot(drawn, parm = c("Days", "Days"))), 1)
  expect_equal(panels(plot(drawn)), 4)
  shown <- \(parm, type) {
    picture <- ggplot2::autoplot(profiled, parm = parm, type = type)
    as.character(unique(picture$data$parameter))
  }
  for (type in c("zeta", "density")) {
    expect_equal(shown("Days", type), "Days")
    expect_equal(shown(c("Days", ".sigma"), type), c("Days", ".sigma"))
    expect_equal(shown("beta_", type), c("(Intercept)", "Days"))
    expect_equal(shown(NULL, type), levels(profiled$.par))
    expect_error(shown("days", type), class = "rlmm_error_unknown_parameter")
  }
  none <- "at least one parameter"
  refused <- \(expr) expect_error(expr, none, class = "rlmm_error_argument")
  refused(plot(drawn, parm = character()))
  refused(plot(drawn, parm = character(), type = "ridges"))
  refused(ggplot2::autoplot(drawn, parm = character()))
  refused(ggplot2::autoplot(profiled, parm = character()))
  refused(plot(profile(fit, which = character())))
})

test_that("a missing package, or an old version of it, is a classed error", {
  expect_no_error(need_package("stats", "f()"))
  expect_error(
    need_package("no.such.package", "f()"),
    "`f()` needs the package no.such.package.",
    fixed = TRUE,
    class = "rlmm_error_package"
  )
  expect_error(
    need_package("stats", "f()", version = "99.0"),
    "`f()` needs the package stats, version 99.0 at least.",
    fixed = TRUE,
    class = "rlmm_error_package"
  )
})
