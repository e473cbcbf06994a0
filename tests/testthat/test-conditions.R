test_that("every error of a formula or its data names the cause", {
  d <- frame_data(60)
  d$flat <- 1
  d$lost <- NA_real_
  with_value <- function(name, rows, value) {
    d[[name]][rows] <- value
    d
  }
  expect_snapshot({
    show_error(rlmm(y ~ x, d))
    show_error(rlmm(y ~ x + (1 | aa), d))
    show_error(rlmm(y ~ xx + (1 | a), d))
    show_error(rlmm(y ~ unheard + (1 | a)))
    show_error(rlmm(y ~ foo(x) + (1 | a), d))
    show_error(rlmm(~ x + (1 | a), d))
    show_error(rlmm("y", d))
    show_error(rlmm(1, d))
    show_error(rlmm())
    show_error(rlmm(y ~ (1 | a) * x, d))
    show_error(rlmm(y ~ x:(1 | a), d))
    show_error(rlmm(y ~ x - (1 | a), d))
    show_error(rlmm(y ~ x + (1 | a) + (1 | a), d))
    show_error(rlmm(y ~ x + (1 | 1), d))
    show_error(rlmm(y ~ x + (1 + (1 | b) | a), d))
    show_error(rlmm(y ~ x + (0 | a), d))
    show_error(rlmm(y ~ x + (offset(x) | a), d))
    show_error(rlmm(y ~ x + (1 | .), d))
    show_error(rlmm(y ~ x + cs(1 | a), d))
    show_error(rlmm(y ~ x + diag(1 | a, 3), d))
    show_error(rlmm(y ~ fulldummy(f) + (1 | a), d))
    show_error(rlmm(y ~ x + (0 + dummy(f, "9") | a), d))
    show_error(rlmm(y ~ x + (1 | cbind(a, b)), d))
    show_error(rlmm(y ~ one + (1 | a), d))
    show_error(rlmm(y ~ d$w[1:3] + (1 | a), d))
    show_error(rlmm(y ~ x + (1 | a), cbind(d, x = 1)))
    show_error(rlmm(y ~ x + (1 | one), d))
    show_error(rlmm(y ~ x + (1 | id), d))
    show_error(rlmm(y ~ x + (x + z + f | c:a), d))
    show_error(rlmm(flat ~ x + (1 | a), d))
    show_error(rlmm(ch ~ x + (1 | a), d))
    show_error(rlmm(f ~ x + (1 | a), d))
    show_error(rlmm(cbind(y, z) ~ x + (1 | a), d))
    show_error(rlmm(lost ~ x + (1 | a), d))
    show_error(rlmm(y ~ x + (1 | a), with_value("y", c(3, 7), Inf)))
    show_error(rlmm(y ~ x + (1 | a), with_value("x", 1:9, -Inf)))
    show_error(rlmm(
      y ~ x + (1 | a),
      with_value("x", 5, NA),
      na.action = na.fail
    ))
    show_error(rlmm(
      y ~ x + (1 | a),
      with_value("a", 5, NA),
      na.action = na.pass
    ))
    show_error(rlmm(y ~ x + (1 | a), d[0, ]))
    show_error(rlmm(y ~ x + (1 | a), d, subset = x > 100))
  })
})

test_that("every error of an argument names it", {
  d <- frame_data(60)
  expect_snapshot({
    show_error(rlmm(y ~ x + (1 | a), as.matrix(d[c("x", "y")])))
    show_error(rlmm(y ~ x + (1 | a), "d"))
    show_error(rlmm(y ~ x + (1 | a), d, weights = 1:3))
    show_error(rlmm(y ~ x + (1 | a), d, weights = replace(w, 2, -1)))
    show_error(rlmm(y ~ x + (1 | a), d, weights = replace(w, 2:3, Inf)))
    show_error(rlmm(y ~ x + (1 | a), d, weights = "w"))
    show_error(rlmm(y ~ x + (1 | a), d, weights = 0 * w))
    show_error(rlmm(y ~ x + (1 | a), d, weights = unheard))
    show_error(rlmm(y ~ x + (1 | a), d, offset = 1:3))
    show_error(rlmm(y ~ x + (1 | a), d, offset = ch))
    show_error(rlmm(y ~ offset(f) + (1 | a), d))
    show_error(rlmm(y ~ x + (1 | a), d, subset = c(TRUE, FALSE)))
    show_error(rlmm(y ~ x + (1 | a), d, subset = 55:65))
    show_error(rlmm(y ~ x + (1 | a), d, subset = "x"))
    show_error(rlmm(y ~ x + (1 | a), d, start = 1:2))
    show_error(rlmm(y ~ x + (x | a), d, start = "a"))
    show_error(rlmm(y ~ x + (1 | a), d, start = list(beta = 1)))
    show_error(rlmm(y ~ x + (1 | a), d, start = NA_real_))
    show_error(rlmm(y ~ x + (1 | a), d, REML = NA))
    show_error(rlmm(y ~ x + (1 | a), d, sigma = -1))
    show_error(rlmm(y ~ x + (1 | a), d, verbose = "a"))
    show_error(rlmm(y ~ x + (1 | a), d, na.action = "na.foo"))
    show_error(rlmm(y ~ x + (1 | a), d, contrasts = "contr.sum"))
    show_error(rlmm(y ~ f + (1 | a), d, contrasts = list(ff = "contr.sum")))
    show_error(rlmm(y ~ x + (1 | a), d, family = binomial))
    show_error(rlmm(y ~ x + (1 | a), d, wieghts = w))
    show_error(rlmm(y ~ x + (1 | a), d, control = 5))
    show_error(rlmm(y ~ x + (1 | a), d, control = list(maxeval = 5)))
    show_error(rlmm_control(optimizer = "bobyka"))
    show_error(rlmm_control(max_eval = -1))
    show_error(rlmm_control(check_nobs_vs_nlev = "stopp"))
  })
})

test_that("errors blame the function that the user called", {
  cnd <- tryCatch(rlmm(y ~ x, frame_data()), error = identity)
  expect_identical(rlang::call_name(cnd$call), "rlmm")
  wrapper <- function(data) rlmm(y ~ x, data)
  cnd <- tryCatch(wrapper(frame_data()), error = identity)
  expect_identical(rlang::call_name(cnd$call), "rlmm")
})

test_that("braces and percent signs in names are only text", {
  data <- frame_data()
  names(data)[2] <- "{x} %d"
  expect_error(
    rlmm(y ~ `{x} %d` + (1 | `{g}`), data),
    "`{g}`",
    fixed = TRUE,
    class = "rlmm_error_variable"
  )
})

test_that("errors of the core arrive classed, with their fields", {
  err <- structure(
    list(kind = "not_positive_definite", message = "m", term = 1L, pivot = 2L),
    class = "rlmm_core_error"
  )
  cnd <- tryCatch(abort_core(err), error = identity)
  expect_s3_class(
    cnd,
    c("rlmm_error_not_positive_definite", "rlmm_error"),
    exact = FALSE
  )
  expect_identical(cnd$pivot, 2L)
  unknown <- structure(
    list(kind = "panic", message = "index out of bounds"),
    class = "rlmm_core_error"
  )
  expect_error(
    abort_core(unknown),
    "index out of bounds",
    class = "rlmm_error_panic"
  )
})

test_that("signal() follows the policy", {
  expect_silent(signal("ignore", "no", "x"))
  expect_message(signal("message", "yes", "x"), class = "rlmm_message_x")
  expect_warning(signal("warning", "yes", "x"), class = "rlmm_warning_x")
  expect_error(signal("stop", "yes", "x"), class = "rlmm_error_x")
})

test_that("lists of culprits are short", {
  expect_identical(enumerate("a"), "a")
  expect_identical(enumerate(c("a", "b")), "a and b")
  expect_identical(enumerate(1:5), "1, 2, 3, 4, and 5")
  expect_identical(enumerate(1:2000), "1, 2, 3, 4, 5, and 1,995 more")
})

test_that("?rlmm_conditions names every message and warning of the package", {
  folder <- test_path("..", "..", "R")
  skip_if_not(dir.exists(folder), "the package's sources are not here")
  words_of <- \(file) {
    text <- readLines(file, encoding = "UTF-8")
    pattern <- "rlmm_(message|warning)_[a-z_]*[a-z]"
    unlist(regmatches(text, gregexpr(pattern, text)))
  }
  files <- list.files(folder, full.names = TRUE)
  is_help <- basename(files) == "conditions-help.R"
  signalled <- unlist(lapply(files[!is_help], words_of))
  # The names of verdicts and of reports that follow a policy are put together.
  verdicts <- setdiff(final_verdicts, c("optimal", "imprecise"))
  reports <- paste0("rlmm_message_", c(verdicts, "redundant", "optima"))
  signalled <- c(signalled, reports, "rlmm_warning_rounded")
  told <- words_of(files[is_help])
  expect_setequal(told, unique(signalled))
})

test_that("short names are suggested where they have a letter in common", {
  expect_null(nearest("q", c("y", "f")))
  expect_identical(nearest("F", c("y", "f")), "f")
  expect_identical(nearest("x1", c("y", "x2")), "x2")
  expect_identical(nearest("ab", c("ba", "f")), "ba")
})

test_that("survival times are refused as a response, whatever fits them", {
  d <- data.frame(a = gl(5, 4), x = 1:20, z = sqrt(1:20))
  d$y <- structure(cbind(time = 1:20, status = 1), class = "Surv")
  refused <- function(fit, class) expect_error(fit, "coxme", class = class)
  refused(rlmm(y ~ x + (1 | a), d), "rlmm_error_response")
  for (family in list(binomial(), poisson(), Gamma("log"))) {
    refused(rglmm(y ~ x + (1 | a), d, family), "rlmm_error_response")
  }
  refused(rglmm_nb(y ~ x + (1 | a), d), "rlmm_error_response")
  # The times and the states aren't two responses.
  refused(rlmm_many(y ~ x + (1 | a), d), "rlmm_error_argument")
  fit <- rlmm(z ~ x + (1 | a), d)
  refused(refit(fit, d$y), "rlmm_error_argument")
})
