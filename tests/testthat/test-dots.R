# Nothing that a user writes is swallowed: every method knows its arguments.

linear <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
counts <- rglmm(TICKS ~ YEAR + (1 | LOCATION), grouseticks, poisson)

test_that("a method refuses an argument that it doesn't have", {
  calls <- list(
    \(fit) allFit(fit, optimizers = "LN_BOBYQA", foo = 1),
    \(fit) as.function(fit, foo = 1),
    \(fit) coef(fit, foo = 1),
    \(fit) condVar(fit, foo = 1),
    \(fit) confint(fit, foo = 1),
    \(fit) cooks.distance(fit, foo = 1),
    \(fit) deviance(fit, foo = 1),
    \(fit) df.residual(fit, foo = 1),
    \(fit) extractAIC(fit, foo = 1),
    \(fit) AICc(fit, foo = 1),
    \(fit) family(fit, foo = 1),
    \(fit) fitted(fit, foo = 1),
    \(fit) fixef(fit, foo = 1),
    \(fit) getME(fit, "theta", foo = 1),
    \(fit) hatvalues(fit, foo = 1),
    \(fit) isGLMM(fit, foo = 1),
    \(fit) isLMM(fit, foo = 1),
    \(fit) isNLMM(fit, foo = 1),
    \(fit) isREML(fit, foo = 1),
    \(fit) isSingular(fit, foo = 1),
    \(fit) logLik(fit, foo = 1),
    \(fit) na.action(fit, foo = 1),
    \(fit) ngrps(fit, foo = 1),
    \(fit) nobs(fit, foo = 1),
    \(fit) ranef(fit, foo = 1),
    \(fit) refit(fit, foo = 1),
    \(fit) refitML(fit, foo = 1),
    \(fit) rePCA(fit, foo = 1),
    \(fit) residuals(fit, foo = 1),
    \(fit) rstandard(fit, foo = 1),
    \(fit) sigma(fit, foo = 1),
    \(fit) summary(fit, foo = 1),
    \(fit) coef(summary(fit), foo = 1),
    \(fit) vcov(summary(fit), foo = 1),
    \(fit) logLik(summary(fit), foo = 1),
    \(fit) update(fit, foo = 1),
    \(fit) VarCorr(fit, foo = 1),
    \(fit) vcov(fit, foo = 1),
    \(fit) weights(fit, foo = 1),
    \(fit) logLik(fit, NULL, 1)
  )
  for (call in calls) {
    for (fit in list(linear, counts)) {
      expect_error(
        call(fit),
        class = "rlmm_error_unknown_argument",
        info = deparse(body(call))
      )
    }
  }
  expect_error(REMLcrit(linear, 1), class = "rlmm_error_unknown_argument")
  expect_error(
    rstudent(linear, foo = 1),
    class = "rlmm_error_unknown_argument"
  )
})

test_that("where R lets arguments through, a warning names them", {
  calls <- list(
    \(fit) predict(fit, foo = 1),
    \(fit) simulate(fit, seed = 1, foo = 1),
    \(fit) model.frame(fit, foo = 1),
    \(fit) model.matrix(fit, foo = 1),
    \(fit) formula(fit, foo = 1),
    \(fit) terms(fit, foo = 1),
    \(fit) format(fit, foo = 1),
    \(fit) format(summary(fit), foo = 1),
    \(fit) format(VarCorr(fit), foo = 1),
    \(fit) format(certificate(fit), foo = 1),
    \(fit) format(opt_summary(fit), foo = 1),
    \(fit) format(is_singular(fit), foo = 1),
    \(fit) as.data.frame(VarCorr(fit), foo = 1),
    \(fit) as.data.frame(ranef(fit), foo = 1)
  )
  for (call in calls) {
    for (fit in list(linear, counts)) {
      expect_warning(
        call(fit),
        "`foo`",
        class = "rlmm_warning_unused_argument",
        info = deparse(body(call))
      )
    }
  }
  # What data.frame() hands on to every column is none of it.
  expect_no_warning(as.data.frame(ranef(linear), stringsAsFactors = FALSE))
})

test_that("a suggestion is made, in the name of the function that was called", {
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr)[-1])
  expect_snapshot({
    show(ranef(linear, condvar = TRUE))
    show(summary(linear, dff = "none"))
    show(logLik(linear, observation = 3))
    show(vcov(linear, kind = "CR1"))
    show(refit(linear, start = 1))
    show(confint(linear, foo = 1))
    show(fixef(linear, TRUE, 1))
    show(refit(linear, NULL, rep(2, 180)))
    show(lapply(list(linear), logLik, foo = 1))
    show(do.call(vcov, list(linear, foo = 1)))
  })
})

test_that("arguments that R's own functions hand on are known", {
  expect_equal(nobs(linear, use.fallback = TRUE), 180)
  expect_equal(sigma(linear, use.fallback = FALSE), sigma(linear))
  expect_equal(
    confint(linear, quiet = TRUE, method = "Wald"),
    confint(linear, method = "Wald")
  )
  expect_equal(
    confint(linear, signames = FALSE, method = "Wald"),
    confint(linear, oldNames = FALSE, method = "Wald")
  )
  expect_equal(
    rownames(confint(linear, signames = FALSE, method = "Wald"))[1:4],
    c(
      "sd_(Intercept)|Subject",
      "cor_Days.(Intercept)|Subject",
      "sd_Days|Subject",
      "sigma"
    )
  )
  expect_equal(BIC(linear), -2 * as.numeric(logLik(linear)) + 6 * log(180))
})

test_that("no two arguments before the dots begin alike, so that R can't confuse them", {
  file <- parseNamespaceFile("rlmm", dirname(find.package("rlmm")))
  methods <- file$S3methods
  methods <- paste(sub(".*::", "", methods[, 1]), methods[, 2], sep = ".")
  names <- unique(c(getNamespaceExports("rlmm"), methods))
  functions <- mget(names, asNamespace("rlmm"), ifnotfound = list(NULL))
  names <- names[vapply(functions, is.function, NA)]
  # No user calls the generics of rlmm's own.
  inner <- c(
    "job_start",
    "large_heading",
    "observation_limits",
    "prediction_errors",
    "run_bootstrap",
    "term_tests"
  )
  is_inner <- sub("[.].*", "", names) %in% inner
  # Fitting functions have the arguments of lmer(), glmer() and glm(), in order; of allFit() only
  # the letter "o" is that of two arguments.
  fitting <- c("rlmm", "rglmm", "rlmm_many", "rglmm_many", "rnlmm", "lmList")
  is_other <- names %in% c(fitting, "preview", "allFit.rlmm")
  for (name in names[!is_inner & !is_other]) {
    arguments <- names(formals(functions[[name]]))
    dots <- match("...", arguments, length(arguments) + 1L)
    before <- arguments[seq_len(dots - 1L)]
    written <- unlist(lapply(before, \(x) substring(x, 1L, seq_len(nchar(x)))))
    short <- setdiff(written, before)
    meant <- vapply(short, \(x) sum(startsWith(before, x)), 1)
    expect_length(short[meant > 1], 0)
  }
})

test_that("an abbreviation is understood, or answered by what it may mean", {
  expect_length(simulate(linear, n = 3, seed = 1), 3)
  expect_equal(predict(linear, new = sleepstudy[1:3, ]), predict(linear)[1:3])
  expect_equal(nrow(bootMer(linear, fixef, n = 2, seed = 1)$t), 2)
  withr::local_options(cli.unicode = FALSE)
  show <- \(expr) writeLines(error_lines(expr)[-1])
  expect_snapshot({
    show(backward(linear, alpha = 5))
    show(rlmm_control(ftol = 1e-8))
    show(predict(linear, rand = TRUE))
    show(simulate(linear, newp = list()))
    show(summary(linear, conf = 0.9))
  })
})

# Every method of ours that the namespace registers, but for those whose dots go elsewhere: to
# graphics, to the elements of a list, to emmeans.
registered_methods <- function() {
  file <- parseNamespaceFile("rlmm", dirname(find.package("rlmm")))
  methods <- unique(file$S3methods[, 1:2])
  generics <- sub(".*::", "", methods[, 1])
  own <- generics %in% getNamespaceExports("rlmm")
  foreign <- !vapply(
    generics,
    exists,
    NA,
    asNamespace("rlmm"),
    inherits = FALSE
  )
  passing <- c(
    "c",
    "emm_basis",
    "get_predictions",
    "recover_data",
    "densityplot",
    "dotplot",
    "plot",
    "print",
    "qqmath",
    "qqnorm",
    "splom",
    "xyplot",
    # sandwich hands them what its own functions are given.
    "bread",
    "estfun",
    # vcovBS() and vcovJK() refuse whatever they are given.
    "vcovBS",
    "vcovJK",
    # gtsummary's default takes and checks them.
    "tbl_regression",
    # These have no answer, whatever they are given.
    "SSD",
    "TukeyHSD",
    "alias",
    "dffits",
    "dummy.coef",
    "effects",
    "estVar",
    "mauchly.test",
    "model.tables",
    "pairs",
    "proj",
    "qr",
    "se.contrast",
    # knitr hands it the options of the chunk.
    "knit_print",
    # It goes on to the method of insight.
    "find_weights"
  )
  kept <- (own | foreign) & !generics %in% c(passing, "[", "[[", "$", "@")
  names <- paste(generics, methods[, 2], sep = ".")[kept]
  functions <- mget(names, asNamespace("rlmm"), ifnotfound = list(NULL))
  Filter(\(method) "..." %in% names(formals(method)), functions)
}

many_responses <- function() {
  Y <- as.matrix(simulate(linear, 2, seed = 1))
  rlmm_many(Y ~ Days + (1 | Subject), sleepstudy)
}

growth_of_trees <- function() {
  rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
    Orange,
    start = c(Asym = 200, xmid = 725, scal = 350)
  )
}

test_that("no registered method swallows an argument", {
  objects <- list(
    rlmm = refitML(linear),
    rlmm_lmm = linear,
    rlmm_glmm = counts,
    rlmm_allFit = allFit(linear, optimizers = c("newton", "LN_BOBYQA")),
    VarCorr.rlmm = VarCorr(linear),
    coef.rlmm = coef(linear),
    profile.rlmm = profile(linear, "Days"),
    ranef.rlmm = ranef(linear),
    rlmm_certificate = certificate(linear),
    rlmm_optsum = opt_summary(linear),
    summary.rlmm = summary(linear),
    rlmm_many = many_responses(),
    rlmm_lmList = lmList(Reaction ~ Days | Subject, sleepstudy),
    rlmm_nlmm = growth_of_trees(),
    summary.rlmm_nlmm = summary(growth_of_trees()),
    rlmm_bootstrap = bootstrap(linear, 3, seed = 1),
    rlmm_sums = rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy),
    influence.rlmm = influence(linear, "Subject"),
    rlmm_backward = backward(linear),
    rlmm_anova = anova(linear)
  )
  # Without these a method has something else to complain of.
  needed <- list(
    getME = "theta",
    contest = diag(2),
    contestMD = diag(2),
    contest1D = c(0, 1)
  )
  methods <- registered_methods()
  # This one calls the next method, which there is only for a call of the generic.
  methods[["update.rlmm_many"]] <- NULL
  tried <- 0
  for (name in names(methods)) {
    class <- names(objects)[endsWith(name, paste0(".", names(objects)))]
    if (length(class) == 0) {
      next
    }
    class <- class[which.max(nchar(class))]
    generic <- substr(name, 1, nchar(name) - nchar(class) - 1)
    args <- c(list(objects[[class]]), needed[[generic]] |> list())
    args <- Filter(Negate(is.null), args)
    condition <- rlang::catch_cnd(
      suppressMessages(do.call(methods[[name]], c(args, list(zzfoo = 1)))),
      c("error", "warning")
    )
    tried <- tried + 1
    # anova() takes it for a model.
    expected <- c(
      "rlmm_error_unknown_argument",
      "rlmm_warning_unused_argument",
      # What is of one fit alone has no answer for many, whatever it is given.
      if (class == "rlmm_many") "rlmm_error_of_one",
      if (generic == "anova") "rlmm_error_argument"
    )
    expect_true(inherits(condition, expected), info = name)
  }
  expect_gt(tried, 150)
})

test_that("printing tells of an argument that it doesn't know", {
  printed <- list(
    cAIC(linear),
    leave_group_out(linear, "Subject"),
    markup(linear),
    ranova(linear),
    rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy),
    summary(lmList(Reaction ~ Days | Subject, sleepstudy))
  )
  for (x in printed) {
    shown <- \() capture.output(print(x, foo = 1))
    expect_warning(
      shown(),
      class = "rlmm_warning_unused_argument",
      info = class(x)[1L]
    )
  }
})

test_that("nlme's arguments of random effects are shown as terms of the formula", {
  fit <- \(...) rlmm(Reaction ~ Days, data = sleepstudy, ...)
  expect_error(fit(groups = ~Subject), "add `(1 | Subject)` to", fixed = TRUE)
  expect_error(
    fit(random = list(Subject = ~Days)),
    "add `(Days | Subject)` to",
    fixed = TRUE
  )
  expect_error(
    fit(random = ~ Days | Subject),
    "add `(Days | Subject)` to",
    fixed = TRUE
  )
  expect_error(fit(random = ~Days), "add `(1 | group)` to", fixed = TRUE)
})
