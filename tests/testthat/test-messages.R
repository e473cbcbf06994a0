# What was written, and what the person needed to know: habits from other programs, and slips.

# Classes and texts of the errors, warnings and messages of an expression, for snapshots.
show_conditions <- function(expr) {
  show <- function(cnd) {
    lines <- conditionMessage(cnd)
    writeLines(c(paste0("<", class(cnd)[1L], ">"), lines, ""))
  }
  withCallingHandlers(
    tryCatch(expr, rlmm_error = show),
    rlmm_message = function(cnd) {
      show(cnd)
      tryInvokeRestart("muffleMessage")
    },
    rlmm_warning = function(cnd) {
      show(cnd)
      tryInvokeRestart("muffleWarning")
    }
  )
  invisible()
}

local_plain <- function(frame = parent.frame()) {
  withr::local_options(cli.unicode = FALSE, .local_envir = frame)
}

test_that("families by the names of links, of other programs, of other packages", {
  local_plain()
  fit <- function(family) {
    rglmm(incidence ~ period + (1 | herd), cbpp, family = family)
  }
  expect_snapshot({
    show_conditions(fit("logit"))
    show_conditions(fit("sqrt"))
    show_conditions(fit("beta"))
    show_conditions(fit("bernoulli"))
    show_conditions(fit("negbin"))
    show_conditions(fit("poison"))
    show_conditions(fit(5))
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      family = beta
    ))
  })
})

test_that("arguments of other programs are answered in the form they have here", {
  local_plain()
  fit <- function(...) rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, ...)
  binary <- function(...) {
    rglmm(incidence ~ period + (1 | herd), cbpp, poisson, ...)
  }
  expect_snapshot({
    show_conditions(binary(ziformula = ~1))
    show_conditions(binary(dispformula = ~1))
    show_conditions(binary(REML = FALSE))
    show_conditions(binary(method = "ML"))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, random = ~ 1 | Subject))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, random = ~Days))
    show_conditions(rlmm(Reaction = Days + (1 | Subject), sleepstudy))
    show_conditions(rlmm(Reaction ~ Days + 1 | Subject, sleepstudy))
    show_conditions(rlmm(Reaction ~ Days | Subject, sleepstudy))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, groups = "Subject"))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, groups = Subject))
    show_conditions(rlmm(Reaction ~ Days, sleepstudy, re_formula = "~Days"))
    show_conditions(fit(relmat = list(Subject = diag(18))))
    show_conditions(fit(covstruct = "ar1"))
    show_conditions(fit(method = "ML"))
    show_conditions(fit(method = "REML"))
    show_conditions(fit(reml = FALSE))
    show_conditions(fit(optCtrl = list(maxfun = 100)))
    show_conditions(fit(maxfun = 100))
    show_conditions(fit(optimizer = "bobyqa"))
    show_conditions(fit(control = rlmm_control(optCtrl = list(maxfun = 100))))
    show_conditions(fit(control = rlmm_control(maxfun = 100)))
    show_conditions(fit(control = rlmm_control(maxit = 100)))
    show_conditions(fit(weights = "Days"))
    show_conditions(fit(weights = ~Days))
    show_conditions(fit(offset = ~ log(Days + 1)))
    show_conditions(fit(subset = ~ Days > 1))
  })
})

test_that("slips in a formula", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ Reaction + (1 | Subject), sleepstudy))
    show_conditions(rlmm(Reaction ~ Days + (Reaction | Subject), sleepstudy))
    show_conditions(rlmm(
      log(Reaction) ~ Days:log(Reaction) + (1 | Subject),
      sleepstudy
    ))
    show_conditions(rlmm(
      Reaction ~ Days + (1 | Subject) + (1 + Days | Subject),
      sleepstudy
    ))
    show_conditions(rlmm(
      cbind(incidence, size - incidence) ~ period + (1 | herd),
      cbpp
    ))
  })
  # A change score beside its baseline is a model.
  wide <- transform(sleepstudy, before = Reaction - Days)
  expect_no_error(rlmm(
    I(Reaction - before) ~ before + (1 | Subject),
    transform(wide, Reaction = Reaction + cos(seq_len(180)))
  ))
})

test_that("two intercepts of one factor: the fit is that of one", {
  expect_message(
    fit <- rlmm(
      Reaction ~ Days + (1 | Subject) + (Days | Subject),
      sleepstudy
    ),
    "Subject"
  )
  # lme4: logLik(lmer(Reaction ~ Days + (Days | Subject), sleepstudy))
  expect_equal(as.numeric(logLik(fit)), -871.8141, tolerance = 1e-7)
})

test_that("responses with more than two levels, and text", {
  local_plain()
  d <- transform(
    cbpp,
    grade = factor(rep_len(1:3, 56), ordered = TRUE),
    kind = factor(rep_len(letters[1:5], 56)),
    text = as.character(size)
  )
  quiet <- rlmm_control(check_conv_singular = "ignore")
  fit <- function(formula) suppressWarnings(rglmm(formula, d, binomial, quiet))
  expect_snapshot({
    show_conditions(fit(grade ~ size + (1 | herd)))
    show_conditions(fit(kind ~ size + (1 | herd)))
    show_conditions(rlmm(text ~ size + (1 | herd), d))
  })
  expect_silent(fit(factor(incidence > 1) ~ size + (1 | herd)))
})

test_that("dates and numbers that are stored as text", {
  local_plain()
  d <- transform(
    sleepstudy,
    when = format(as.Date("2020-01-01") + Days),
    number = format(Days + 0.5),
    few = as.character(Days %% 4),
    phase = ifelse(Days < 5, "2020-01-01", "2020-06-01"),
    visit = format(as.Date("2020-01-01") + Days %% 3),
    hour = sprintf("2020-01-01 %02d:00", Days),
    label = paste0("day", Days)
  )
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ when + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ visit + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ hour + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ number + (1 | Subject), d))
    show_conditions(rlmm(
      Reaction ~ Days + (number | Subject),
      d,
      control = rlmm_control(check_nobs_vs_nre = "stop")
    ))
  })
  # Labels, and grouping factors, are text by right.
  quiet <- rlmm_control(check_conv_singular = "ignore")
  expect_silent(rlmm(Reaction ~ few + (1 | Subject), d))
  expect_silent(rlmm(Reaction ~ phase + (1 | Subject), d))
  expect_silent(rlmm(Reaction ~ label + (1 | Subject), d))
  expect_silent(rlmm(Reaction ~ Days + (1 | when), d, control = quiet))
})

test_that("new data without the grouping factor", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot(show_conditions(predict(fit, data.frame(Days = 1))))
})

test_that("tables that aren't in R's memory", {
  local_plain()
  polars <- structure(list(src = 1), class = "RPolarsDataFrame")
  expect_snapshot({
    show_conditions(rglmm(y ~ x + (1 | g), polars, family = poisson))
    show_conditions(rlmm(y ~ x + (1 | g), polars))
  })
})

test_that("contrasts of levels that don't occur name their factor", {
  local_plain()
  d <- transform(sleepstudy, f = factor(Days %% 3, levels = 0:3))
  expect_snapshot(show_conditions(rlmm(
    Reaction ~ f + (1 | Subject),
    d,
    contrasts = list(f = contr.treatment(4))
  )))
  plain <- rlmm(Reaction ~ f + (1 | Subject), d)
  contrasts(d$f) <- contr.treatment(4)
  expect_snapshot(show_conditions(
    with_matrix <- rlmm(Reaction ~ f + (1 | Subject), d)
  ))
  expect_equal(logLik(with_matrix), logLik(plain))
  # A function makes contrasts of the levels that do.
  contrasts(d$f) <- "contr.sum"
  fit <- rlmm(Reaction ~ f + (1 | Subject), d)
  means <- fixef(plain)[[1]] + c(0, fixef(plain)[-1])
  expect_equal(fixef(fit)[[1]], mean(means), tolerance = 1e-8)
})

test_that("a matrix of one column is a variable like others, in new data too", {
  d <- sleepstudy
  d$m <- matrix(d$Days)
  d$z <- scale(d$Days)
  for (formula in c(
    Reaction ~ poly(m, 2) + (1 | Subject),
    Reaction ~ poly(z, 2) + (1 | Subject),
    Reaction ~ m + (m | Subject),
    Reaction ~ splines::ns(m, 3) + (1 | Subject)
  )) {
    fit <- rlmm(formula, d)
    expect_equal(predict(fit, d[1:9, ]), fitted(fit)[1:9], tolerance = 1e-9)
  }
  plain <- rlmm(Reaction ~ poly(Days, 2) + (1 | Subject), sleepstudy)
  matrix <- rlmm(Reaction ~ poly(m, 2) + (1 | Subject), d)
  expect_equal(predict(matrix, d), predict(plain), tolerance = 1e-9)
})

test_that("NaN is missing, and said where it is", {
  local_plain()
  d <- sleepstudy
  d$x <- replace(d$Days, c(3, 50), NaN)
  expect_snapshot(show_conditions(
    fit <- rlmm(Reaction ~ x + (1 | Subject), d)
  ))
  missing <- d
  missing$x[is.nan(d$x)] <- NA
  expect_equal(
    fixef(fit),
    fixef(rlmm(Reaction ~ x + (1 | Subject), missing))
  )
  expect_equal(nobs(fit), 178)
  # Of weights and grouping variables too; with na.exclude the rows come back.
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + (1 | Subject),
    d,
    weights = x + 1,
    na.action = na.exclude
  ))
  expect_equal(which(is.na(residuals(fit))), c(`3` = 3, `50` = 50))
  expect_error(
    rlmm(Reaction ~ x + (1 | Subject), d, na.action = na.fail),
    class = "rlmm_error_missing"
  )
  expect_error(
    rlmm(Reaction ~ x + (1 | Subject), d, na.action = na.pass),
    class = "rlmm_error_missing"
  )
  # What is NA says nothing.
  expect_silent(rlmm(Reaction ~ x + (1 | Subject), missing))
})

test_that("NaN within an expression is said, whose value is NA there", {
  d <- sleepstudy
  d$x <- replace(d$Days + 0.5, 3, NaN)
  d$z <- replace(d$Days, 4, NA)
  formulas <- list(
    Reaction ~ splines::ns(x, 3) + (1 | Subject),
    Reaction ~ cut(x, 3) + z + (1 | Subject),
    Reaction ~ (x > 4) + (1 | Subject),
    Reaction ~ z + (0 + factor(x > 4) | Subject)
  )
  for (formula in formulas) {
    expect_message(
      fit <- suppressMessages(rlmm(formula, d), "rlmm_message_singular"),
      "`x` is NaN at row 3",
      class = "rlmm_message_nan"
    )
  }
  found <- testthat::capture_messages(
    rlmm(Reaction ~ log(x) + (1 | Subject), d)
  )
  expect_no_match(found, "`x` is NaN")
  # The rows are those of the data, with a subset and without data as well.
  expect_message(
    rlmm(Reaction ~ cut(x, 3) + (1 | Subject), d, subset = Days > 1),
    "`x` is NaN at row 3"
  )
  expect_message(
    with(d, rlmm(Reaction ~ cut(x, 3) + (1 | Subject))),
    "`x` is NaN at row 3"
  )
})

test_that("NaN is said once, whoever reads the data", {
  d <- sleepstudy
  d$Reaction[5] <- NaN
  messages <- function(expr) {
    found <- testthat::capture_messages(expr)
    sum(grepl("`Reaction` is NaN at row 5", found))
  }
  expect_equal(messages(rlmm_sums(Reaction ~ Days + (1 | Subject), d)), 1)
  expect_equal(messages(lmList(Reaction ~ Days | Subject, d)), 1)
  line <- function() {
    rnlmm(Reaction ~ a + b * Days ~ a | Subject, d, start = c(a = 250, b = 10))
  }
  expect_equal(messages(fit <- line()), 1)
  expect_equal(nobs(fit), 179)
})

test_that("subset = TRUE takes all rows", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, subset = TRUE)
  expect_equal(nobs(fit), 180)
  expect_error(
    rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, subset = FALSE),
    class = "rlmm_error_no_rows"
  )
})

test_that("a link without quotes, and numbers with a decimal comma", {
  local_plain()
  data <- transform(sleepstudy, dose = sub(".", ",", Days / 2, fixed = TRUE))
  expect_snapshot({
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      family = logit
    ))
    show_conditions(rlmm(Reaction ~ dose + (1 | Subject), data))
  })
})

test_that("a forgotten `data` and letters in another order are pointed to", {
  expect_error(
    rlmm(Reaction ~ Dyas + (1 | Subject), sleepstudy),
    "Did you mean `Days`?",
    fixed = TRUE
  )
  expect_error(
    rlmm(Reaction ~ Days + (Days | Subject)),
    "Is the argument `data` missing?",
    fixed = TRUE
  )
})

test_that("`weight` is short for `weights`, as for lme4", {
  w <- rep(1:2, 90)
  short <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, weight = w)
  expect_equal(
    logLik(short),
    logLik(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, weights = w))
  )
})

test_that("codes, text and contrasts that the fit can't take are answered with what to write", {
  local_plain()
  data <- transform(
    sleepstudy,
    slow = ifelse(Reaction > 300, "yes", "no"),
    code = 1 + (Reaction > 300),
    text = as.character(Days),
    wave = complex(real = Days, imaginary = 1),
    part = cut(Days, 3)
  )
  binary <- function(formula) {
    rglmm(formula, data, family = binomial)
  }
  fit <- function(formula = Reaction ~ Days + (1 | Subject), ...) {
    rlmm(formula, data, ...)
  }
  parts <- Reaction ~ part + (1 | Subject)
  expect_snapshot({
    show_conditions(binary(slow ~ Days + (1 | Subject)))
    show_conditions(binary(code ~ Days + (1 | Subject)))
    show_conditions(binary(text ~ Days + (1 | Subject)))
    show_conditions(fit(Reaction ~ wave + (1 | Subject)))
    show_conditions(fit(parts, contrasts = list(part = "contr.summ")))
    show_conditions(fit(contrasts = list(Days = "contr.sum")))
    show_conditions(fit(subset = "Days > 1"))
    show_conditions(fit(weights = nlme::varIdent(form = ~ 1 | Subject)))
    show_conditions(fit(ddf = "Kenward-Roger"))
    show_conditions(fit(calc.derivs = FALSE))
    show_conditions(fit(iter = 4000))
    show_conditions(rlmm(fixed = Reaction ~ Days, data = data))
    show_conditions(rlmm(Reaction ~ 1 | Subject + Days, data))
    show_conditions(fit(
      Reaction ~ Days + (Days | Subject) + (0 + Days | Subject)
    ))
  })
})

test_that("data before the formula", {
  formula <- Reaction ~ Days + (1 | Subject)
  expect_snapshot(writeLines(error_lines(rlmm(sleepstudy, formula))))
  piped <- rlmm(formula = formula, sleepstudy)
  expect_equal(fixef(piped), fixef(rlmm(formula, sleepstudy)))
})

test_that("functions that hold rows tell of tables, and what takes these", {
  local_plain()
  polars <- structure(list(src = 1), class = "RPolarsDataFrame")
  reader <- function(reset) NULL
  expect_snapshot({
    show_conditions(preview(y ~ x + (1 | g), polars))
    show_conditions(rlmm_many(cbind(a, b) ~ x + (1 | g), polars))
    show_conditions(rglmm_many(cbind(a, b) ~ x + (1 | g), polars, poisson))
    show_conditions(lmList(y ~ x | g, polars))
    show_conditions(lmList(y ~ x | g, reader))
    show_conditions(preview(y ~ x + (1 | g), reader))
    show_conditions(rlmm_many(cbind(a, b) ~ x + (1 | g), reader))
    show_conditions(rnlmm(y ~ SSlogis(x, a, b, c) ~ a | g, polars))
  })
  skip_if_not_installed("RSQLite")
  skip_if_not_installed("dbplyr")
  con <- DBI::dbConnect(RSQLite::SQLite(), ":memory:")
  withr::defer(DBI::dbDisconnect(con))
  DBI::dbWriteTable(con, "sleep", sleepstudy)
  table <- dplyr::tbl(con, "sleep")
  for (f in c(preview, lmList, rlmm_many)) {
    expect_error(
      f(Reaction ~ Days + (1 | Subject), table),
      "A copy of its 180 rows needs about 1 MB",
      class = "rlmm_error_argument"
    )
  }
})

test_that("arguments of rlmm_control() that were given to the fit", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(
      Reaction ~ Days + (1 | Subject),
      sleepstudy,
      slim = TRUE
    ))
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      poisson,
      max_eval = 50
    ))
  })
})

test_that("functions of other programs' formulas", {
  local_plain()
  fit <- function(formula) rlmm(formula, sleepstudy)
  expect_snapshot({
    show_conditions(fit(Reaction ~ s(Days) + (1 | Subject)))
    show_conditions(fit(Reaction ~ Days + (1 | gr(Subject))))
    show_conditions(fit(Reaction | trials(10) ~ Days + (1 | Subject)))
    show_conditions(fit(mvbind(Reaction, Days) ~ 1 + (1 | Subject)))
  })
  # A function of the user's that has such a name is the user's.
  s <- function(x) x / 2
  expect_equal(
    fixef(rlmm(Reaction ~ s(Days) + (1 | Subject), sleepstudy))[[2]],
    2 * fixef(rlmm(Reaction ~ Days + (1 | Subject), sleepstudy))[[2]]
  )
})

test_that("values in other capitals, initials, and logical forms of re.form", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(confint(fit, method = "wald"))
    show_conditions(summary(fit, ddf = "KR"))
    show_conditions(predict(fit, re.form = FALSE))
    show_conditions(anova(fit, test = "F"))
  })
})

test_that("data by their name in quotes", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ Days + (1 | Subject), "sleepstudy"))
  })
})

test_that("a variable with the name of an argument in a model frame", {
  local_plain()
  fit <- rlmm(Reaction ~ 1 + (1 | Subject), sleepstudy, weights = Days + 1)
  frame <- model.frame(fit)
  frame[["(offset)"]] <- sleepstudy$Days
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ `(weights)` + (1 | Subject), frame))
    show_conditions(rlmm(Reaction ~ (`(offset)` | Subject), frame))
  })
  again <- rlmm(Reaction ~ 1 + (1 | Subject), frame, weights = `(weights)`)
  expect_equal(fixef(again), fixef(fit))
})

test_that("a column that is a list", {
  local_plain()
  d <- sleepstudy
  d$nested <- as.list(d$Days)
  d$parts <- as.POSIXlt(as.Date("2026-01-01") + d$Days)
  d$both <- data.frame(a = d$Days, b = d$Days^2)
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ nested + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ parts + (1 | Subject), d))
    show_conditions(rlmm(Reaction ~ both + (1 | Subject), d))
  })
})

test_that("a function of formulas that calls itself without an end", {
  # R's own poly() does so for a matrix in I().
  endless <- function(x) endless(x)
  d <- transform(sleepstudy, wrapped = I(matrix(Days)))
  variable <- "rlmm_error_variable"
  expect_error(
    rlmm(Reaction ~ poly(wrapped, 2) + (1 | Subject), d),
    "The column `wrapped` is a matrix",
    class = variable
  )
  expect_error(
    rlmm(Reaction ~ Days + (endless(Days) | Subject), d),
    "A function calls itself without an end",
    class = variable
  )
})

test_that("formulas in pieces, quoted, and by the marks of tidy evaluation", {
  local_plain()
  name <- "Days"
  fit <- function(formula, data = sleepstudy) rlmm(formula, data)
  quoted <- quote(Reaction ~ Days + (1 | Subject))
  plain <- fit(Reaction ~ Days + (1 | Subject))
  expect_equal(fixef(fit(quoted)), fixef(plain))
  expect_equal(
    fixef(fit(bquote(Reaction ~ .(as.name(name)) + (1 | Subject)))),
    fixef(plain)
  )
  expect_snapshot({
    show_conditions(fit(c("Reaction ~ Days", "+ (1 | Subject)")))
    show_conditions(fit(expression(Reaction ~ Days + (1 | Subject))))
    show_conditions(fit(Reaction ~ name + (1 | Subject)))
    show_conditions(fit(Reaction ~ .data[[name]] + (1 | Subject)))
    show_conditions(fit(Reaction ~ !!name + (1 | Subject)))
    show_conditions(fit(Reaction ~ Days + (1 | "Subject")))
  })
})

test_that("tables within tables, and lists of tables", {
  local_plain()
  skip_if_not_installed("tibble")
  table <- tibble::as_tibble(sleepstudy)
  by_day <- split(sleepstudy, sleepstudy$Days > 4)
  expect_snapshot({
    show_conditions(rlmm(Reaction ~ table[, "Days"] + (1 | Subject), table))
    show_conditions(rlmm(table["Reaction"] ~ Days + (1 | Subject), table))
    show_conditions(rlmm(Reaction ~ Days + (1 | Subject), by_day))
  })
})

test_that("a matrix in new data has the columns that it had in the fit", {
  local_plain()
  data <- sleepstudy
  data$m <- cbind(data$Days, data$Days^2)
  fit <- rlmm(Reaction ~ m + (1 | Subject), data)
  expect_equal(predict(fit, data[1:3, ]), fitted(fit)[1:3], tolerance = 1e-9)
  expect_snapshot(show_conditions(
    predict(fit, data.frame(m = 1, Subject = "308"))
  ))
})

test_that("values and arguments of nlme's methods, and types by their place", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(fitted(fit, level = 0))
    show_conditions(residuals(fit, level = 0))
    show_conditions(residuals(fit, type = "normalized"))
    show_conditions(vcov(fit, "CR2"))
    show_conditions(rglmm(
      incidence ~ period + (1 | herd),
      cbpp,
      family = "multinomial"
    ))
  })
})

test_that("values that are nearly right, and names that update() can't find", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(residuals(fit, type = "pearsn"))
    show_conditions(predict(fit, interval = "confidnce"))
    show_conditions(drop1(fit, test = "LRT"))
    show_conditions(update(fit, weights = Dayz))
    show_conditions(update(fit, subset = Dayz > 1))
  })
})

test_that("what other programs write is answered in the form that it has here", {
  data <- transform(sleepstudy, grade = 1 + Days %% 4, f = factor(Days))
  fit <- function(formula, ...) rlmm(formula, data, ...)
  expect_hint <- function(expr, hint) {
    text <- paste(error_lines(expr), collapse = "\n")
    expect_match(text, hint, fixed = TRUE)
  }
  random <- Reaction ~ Days + (1 | Subject)
  expect_hint(fit(random, zi = ~1), "glmmTMB")
  expect_hint(fit(random, map = list()), "rlmm_control(fixed = )")
  expect_hint(fit(random, cov_type = "robust"), "vcov(fit, type = \"CR2\")")
  expect_hint(fit(random, cluster = Subject), "vcov(fit, type = \"CR2\")")
  expect_hint(fit(random, trials = n), "cbind(successes, failures)")
  expect_hint(rlmm_control(max_iter = 10), "`max_eval`")
  expect_hint(rlmm_control(calc.derivs = FALSE), "certificate()")
  expect_hint(fit(random, doFit = FALSE), "preview()")
  expect_hint(fit(random, covariance = "unstructured"), "around a random")
  expect_hint(fit(random, ddfm = "kr"), "summary(fit, ddf = )")
  expect_hint(fit(random, vce = "robust"), "vcov(fit, type = \"CR2\")")
  expect_hint(fit(random, exposure = Days), "offset = log(exposure)")
  expect_hint(fit(random, subject = Subject), "(1 | group)")
  expect_hint(fit(random, intpoints = 7), "rglmm(nAGQ = 9)")
  expect_hint(fit(random, cores = 4), "rlmm_control(threads = )")
  expect_hint(fit(random, stanvars = 1), "brms")
  expect_hint(fit(random, missing = "drop"), "na.action = na.omit")
  # As in lm(), an empty list of contrasts is none.
  expect_equal(fixef(fit(random, contrasts = list())), fixef(fit(random)))
  expect_hint(fit(random, seed = 1), "Leave it out")
  expect_hint(
    fit(random, control = "bobyqa"),
    "rlmm_control(optimizer = \"bobyqa\")"
  )
  expect_hint(fit(Reaction ~ Days + random(Subject)), "`(1 | Subject)`")
  expect_hint(fit(Reaction ~ Days + Error(Subject)), "`(1 | Subject)`")
  expect_hint(fit(Reaction ~ Days + (Subject | 1)), "`(1 | Subject)`")
  expect_hint(fit(Reaction ~ 0 + Intercept + (1 | Subject)), "written `1`")
  expect_hint(fit(Reaction ~ i.f + (1 | Subject)), "`factor(f)`")
  expect_hint(fit(Surv(Reaction, f) ~ 1 + (1 | Subject)), "coxme")
  expect_hint(fit(Reaction | weights(Days) ~ 1 + (1 | Subject)), "weights = w")
  expect_hint(
    fit(Reaction ~ f + (1 | Subject), contrasts = list(f = "EffectsCoding")),
    "contr.sum"
  )
  expect_hint(rglmm(grade ~ 1 + (1 | Subject), data, binomial), "clmm()")
  expect_hint(rglmm(f ~ 1 + (1 | Subject), data, poisson), "as.numeric")
})

test_that("words of MixedModels.jl, brms and lme4's control", {
  model <- \(...) rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, ...)
  expect_error(model(wts = Days), "called `weights`")
  expect_error(model(fast = TRUE), "leave `fast` out")
  expect_error(
    rlmm(Reaction ~ Days + (Days | ID1 | Subject), sleepstudy),
    "label it is `[(]Days | Subject[)]`"
  )
  expect_error(
    rlmm_control(check.conv.grad = "ignore"),
    "certificate",
    class = "rlmm_error_control"
  )
})

test_that("functions of other packages around the formula and for the control are named", {
  local_plain()
  expect_snapshot({
    show_conditions(rlmm(bf(Reaction ~ Days + (1 | Subject)), sleepstudy))
    show_conditions(rglmm(
      bf(Days ~ 1 + (1 | Subject)),
      sleepstudy,
      family = poisson
    ))
    show_conditions(rlmm(
      Reaction ~ Days + (1 | Subject),
      sleepstudy,
      control = glmmTMBControl()
    ))
  })
  # An error within a control that exists is raised as it is.
  expect_error(
    rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, control = stop("own")),
    "own"
  )
})

test_that("what can't change a formula is told", {
  local_plain()
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_snapshot({
    show_conditions(update(fit, 1))
    show_conditions(update(fit, NULL))
  })
  many <- rlmm_many(cbind(Reaction, Days) ~ 1 + (1 | Subject), sleepstudy)
  each <- lmList(Reaction ~ Days | Subject, sleepstudy)
  for (fits in list(many, each)) {
    expect_error(update(fits, TRUE), class = "rlmm_error_argument")
  }
})

test_that("functions of fits say what they were given instead", {
  local_plain()
  expect_snapshot({
    show_conditions(fixed_levels(sleepstudy$Subject))
    show_conditions(simulate_power(lm(Reaction ~ Days, sleepstudy)))
    show_conditions(dummy(Reaction ~ Days))
  })
})
