# Arguments of the wrong type, and those that the call has no use for, across methods.

fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)

test_that("parameters and groups are chosen by names, or by numbers that there are", {
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(confint(fit, list("Days"), method = "Wald"))
    show(confint(fit, 0, method = "Wald"))
    show(confint(fit, c(-1, 2), method = "Wald"))
    show(confint(fit, 1.5, method = "Wald"))
    show(profile(fit, which = 0))
    show(ranef(fit, whichel = 5))
  })
  all_but <- confint(fit, -(1:4), method = "Wald")
  expect_equal(all_but, confint(fit, 5:6, method = "Wald"))
})

test_that("confint() tells of arguments that belong to another method", {
  tells <- \(expr, which) {
    told <- expect_message(expr, class = "rlmm_message_without_effect")
    expect_equal(told$arguments, which)
  }
  tells(confint(fit, method = "Wald", nsim = 9, FUN = fixef), c("nsim", "FUN"))
  tells(confint(fit, "Days", boot.type = "perc"), "boot.type")
  tells(confint(fit, ddf = "residual", method = "profile"), "method")
  tells(confint(fit, ddf = "residual", seed = 1), "seed")
  expect_no_message(confint(fit, ddf = "residual", method = "Wald"))
  expect_no_message(confint(fit, "Days", method = "boot", nsim = 5, seed = 1))
  expect_no_message(confint(fit, method = "Wald", nsim = 9, quiet = TRUE))
})

test_that("counts are whole numbers, under the name that they have in the call", {
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(simulate(fit, 1.5))
    show(simulate(fit, 1e12))
    show(confint(fit, method = "boot", nsim = -1))
    show(rlmm_control(threads = 1.5))
  })
  expect_equal(rlmm_control(threads = Inf)$threads, Inf)
})

test_that("bootMer() takes a function, or the name of one that the caller has", {
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(bootMer(fit, nsim = 2))
    show(bootMer(fit, "fixeff", nsim = 2))
    show(bootMer(fit, 3, nsim = 2))
  })
  local_statistic <- \(fit) fixef(fit)[["Days"]]
  named <- bootMer(fit, "local_statistic", nsim = 2, seed = 1)
  given <- bootMer(fit, local_statistic, nsim = 2, seed = 1)
  expect_equal(named$t, given$t)
})

test_that("data without names, strata in quotes and an unknown na.action are told", {
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(rlmm(y ~ 1 + (1 | g), list(1:9, rep(1:3, 3))))
    show(rlmm(Reaction ~ 1 + (1 | Subject), sleepstudy, dispersion = "Days"))
    show(predict(fit, na.action = "foo"))
  })
})

test_that("simulate() says what it needs of new data", {
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr))
  new <- data.frame(Days = 1:2)
  expect_snapshot({
    show(simulate(fit, newdata = new, re.form = NA))
    show(simulate(fit, newdata = cbind(new, Subject = "new")))
  })
})

test_that("a factor as a response is answered by what it may be", {
  withr::local_options(cli.unicode = FALSE)
  d <- transform(
    sleepstudy,
    read = factor(Reaction),
    slow = factor(Reaction > 300, labels = c("no", "yes")),
    grade = cut(Reaction, 4, labels = letters[1:4])
  )
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(rlmm(read ~ Days + (1 | Subject), d))
    show(rlmm(slow ~ Days + (1 | Subject), d))
    show(rlmm(grade ~ Days + (1 | Subject), d))
  })
})

test_that("rglmm_nb() answers in its own name", {
  withr::local_options(cli.unicode = FALSE)
  counts <- \(...) {
    rglmm_nb(TICKS ~ 1 + (1 | BROOD), grouseticks, ...)
  }
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(counts(theta = 2))
    show(counts(interval = c(1, 9)))
    show(counts(contrl = 1))
    show(counts(ziformula = ~1))
  })
  expect_equal(
    fixef(counts(weight = rep(1, nrow(grouseticks)))),
    fixef(counts())
  )
})

# What a function is called with before the argument that it doesn't have.
valid_arguments <- function(name) {
  if (grepl("^rg?n?lmm|^preview|^simulate_formula|^lmList", name)) {
    return(list(Reaction ~ Days + (1 | Subject), sleepstudy))
  }
  switch(
    name,
    getME = list(fit, "X"),
    logProf = ,
    varianceProf = list(stats::profile(fit, which = "sigma")),
    list(fit)
  )
}

test_that("each exported function with several arguments refuses one that it doesn't have", {
  # Families, a helper of formulas, and functions that hand their dots on.
  own_rule <- c("dummy", "nbinom1", "nbinom2", "rlmm_control", "markup")
  hands_on <- c("plot_by_group", "plot_shrinkage", "restore_optimum")
  names <- setdiff(getNamespaceExports("rlmm"), c(own_rule, hands_on))
  exports <- lapply(stats::setNames(nm = names), getExportedValue, ns = "rlmm")
  functions <- Filter(is.function, exports)
  arguments <- lapply(functions, \(f) names(formals(f)))
  has_dots <- vapply(arguments, \(all) "..." %in% all, NA)
  expect_lte(max(lengths(arguments[!has_dots])), 1L)
  for (name in names(functions)[has_dots]) {
    call <- as.call(c(as.name(name), valid_arguments(name), objekt = 1))
    expect_error(
      suppressMessages(eval(call)),
      class = "rlmm_error_unknown_argument",
      info = name
    )
  }
  expect_error(rlmm_control(objekt = 1), class = "rlmm_error_unknown_argument")
})

test_that("arguments that the functions of parameters don't have are named", {
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr))
  expect_snapshot({
    show(is_singular(fit, tolerance = 1e-3))
    show(hessian(fit, parametrization = "sqrt"))
    show(variance_vcov(fit, scales = "theta"))
    show(variance_explained(fit, "theory", 3))
    show(rlmm_sums(Reaction ~ Days + (1 | Subject), sleepstudy, weigths = Days))
    show(do.call(raneftables, list(fit, uscle = TRUE)))
    show(as_merMod(fit, REML = FALSE))
  })
})

test_that("parts of lme4's control that nothing needs are told by rlmm_control()", {
  withr::local_options(cli.unicode = FALSE)
  expect_snapshot({
    writeLines(error_lines(rlmm_control(autoscale = TRUE)))
    writeLines(error_lines(rlmm_control(sparseX = TRUE)))
  })
})

# Fits and what is made of them, for calls with wrong values.
things_to_break <- function() {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  two <- cbind(a = sleepstudy$Reaction, b = rev(sleepstudy$Reaction))
  list(
    fit = fit,
    two = two,
    growth = rnlmm(
      circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
      Orange
    ),
    many = rlmm_many(two ~ Days + (1 | Subject), sleepstudy),
    made = profile(fit, "sigma")
  )
}

# Calls with values that no argument of this name can have.
calls_with_wrong_values <- expression(
  add1(fit, y ~ x),
  add1(fit, "x", trace = mean),
  anova(fit, type = mean),
  as.data.frame(many, term = mean),
  bootstrap(fit, n = 2, progress = "yes"),
  confint(fit, quiet = NA),
  dfbeta(fit, infl = "x"),
  dfbetas(fit, infl = mean),
  drop1(fit, trace = mean),
  dummy(sleepstudy$Subject, mean),
  dummy(sleepstudy$Subject, levels = y ~ x),
  format(fit, correlation = "yes"),
  format(fit, ranef.comp = mean),
  format(fit, ranef.corr = NA),
  format(growth, digits = "many"),
  nlme::getGroups(fit, level = mean),
  influence(fit, groups = character()),
  kappa(fit, exact = NA),
  kappa(fit, norm = "x"),
  leave_group_out(fit, groups = character()),
  lmList(Reaction ~ Days | Subject, sleepstudy, family = mean),
  lmList(Reaction ~ Days | Subject, sleepstudy, pool = "x"),
  logProf(made, base = data.frame()),
  plot(made, levels = "x"),
  plot(made, levels = 2),
  plot_by_group(fit, group = mean),
  plot_by_group(fit, group = character()),
  plot_by_group(fit, max_groups = NA),
  plot_shrinkage(fit, group = character()),
  predict(fit, se.fit = NULL),
  predict(fit, marginal = NULL),
  profile(fit, delta.cutoff = Inf),
  ranef(fit, whichel = mean),
  rePCA(fit, corr = NA),
  refit(fit, rename.response = NULL),
  rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, verbose = Inf),
  rlmm_many(two ~ Days + (1 | Subject), sleepstudy, progress = "x"),
  rnlmm(circumference ~ a * age ~ a | Tree, Orange, c(a = 1), max_eval = "x"),
  simulate(fit, family = NA),
  simulate(fit, family = mean),
  simulate(fit, cluster.rand = mean),
  # Functions of packages that aren't attached.
  lmList(bf(Reaction ~ Days | Subject), sleepstudy),
  rlmm_sums(bf(Reaction ~ Days + (1 | Subject)), sleepstudy),
  rnlmm(bf(circumference ~ a * age ~ a | Tree), Orange, c(a = 1)),
  simulate_formula(bf(~ Days + (1 | Subject)), newdata = sleepstudy),
  refit(fit, control = lmerControl())
)

test_that("wrong values end in this package's errors", {
  skip_if_not_installed("lattice")
  skip_if("package:lme4" %in% search() || "package:brms" %in% search())
  things <- things_to_break()
  for (call in as.list(calls_with_wrong_values)) {
    found <- tryCatch(
      {
        eval(call, things, environment())
        "none"
      },
      error = class
    )
    expect_true("rlmm_error" %in% found, label = deparse1(call))
  }
})
