linear <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
generalized <- rglmm(
  cbind(incidence, size - incidence) ~ period + (1 | herd),
  cbpp,
  binomial
)

test_that("generics for fits of aov() say what to use instead", {
  fit <- linear
  show <- \(expr) writeLines(error_lines(expr))
  withr::local_options(cli.unicode = FALSE)
  expect_snapshot({
    show(TukeyHSD(fit))
    show(alias(fit))
    show(dummy.coef(fit))
    show(model.tables(fit))
    show(se.contrast(fit, list(1)))
    show(effects(fit))
    show(qr(fit))
    show(proj(fit))
    show(SSD(fit))
    show(mauchly.test(fit))
    show(pairs(fit))
    show(dffits(fit))
  })
})

# Packages whose fits are of these classes, and the names of all generics that have methods for one
# of them.
homes <- c("base", "stats", "graphics", "utils", "nlme", "lme4", "glmmTMB")
classes <- c("lm", "glm", "aov", "mlm", "lme", "merMod", "glmmTMB")

generics_of_fits <- function() {
  names <- lapply(classes, \(class) {
    attr(utils::methods(class = class), "info")$generic
  })
  # Formal classes have these generics, whatever they are of.
  machinery <- c("coerce", "initialize", "show", "slotsFromS3")
  setdiff(unique(unlist(names)), machinery)
}

find_generic <- function(name) {
  for (home in Filter(isNamespaceLoaded, homes)) {
    found <- get0(name, asNamespace(home), mode = "function", inherits = FALSE)
    if (!is.null(found)) {
      return(found)
    }
  }
}

# What a generic answers, the class of its error, or "nothing".
answer_of <- function(generic, fit) {
  value <- tryCatch(
    suppressMessages(generic(fit)),
    error = identity
  )
  if (inherits(value, "error")) {
    return(if (inherits(value, "rlmm_error")) "refused" else "error of R")
  }
  if (is.null(value)) "nothing" else "answered"
}

# `NULL` is the right answer where no row is missing.
empty <- "na.action"

# These have no answer for mixed models, or need an argument: the error says what to do.
refused <- c(
  "SSD",
  "TukeyHSD",
  "add1",
  "alias",
  "dffits",
  "dummy.coef",
  "effects",
  "estVar",
  "getME",
  "mauchly.test",
  "model.tables",
  "pairs",
  "proj",
  "qr",
  "se.contrast"
)

test_that("generics with methods for other fits answer, or say what to do", {
  skip_on_cran()
  withr::local_pdf(NULL)
  for (package in c("nlme", "lme4", "glmmTMB")) {
    suppressWarnings(requireNamespace(package, quietly = TRUE))
  }
  names <- generics_of_fits()
  # Older versions of R and lme4 don't have these generics for fits.
  optional <- c("dffits", "getME")
  expect_true(all(setdiff(refused, optional) %in% names))
  for (name in names) {
    generic <- find_generic(name)
    expected <- if (name %in% refused) {
      "refused"
    } else if (name %in% empty) {
      "nothing"
    } else {
      "answered"
    }
    for (fit in if (!is.null(generic)) list(linear, generalized)) {
      expect_identical(answer_of(generic, fit), expected, info = name)
    }
  }
})

test_that("deletions from fits of lm() say what to use, though most are no generics", {
  for (fit in list(linear, generalized)) {
    for (name in deletions_of_lm) {
      deletion <- getExportedValue("stats", name)
      expect_error(
        deletion(fit),
        class = "rlmm_error_not_available",
        info = name
      )
    }
    expect_length(stats::weighted.residuals(fit), nobs(fit))
  }
})

test_that("names of rows, of fixed effects and of terms are those of lm()", {
  data <- transform(
    sleepstudy,
    w = rep(c(0, 1, 2), 60),
    twice = 2 * Days
  )
  linear_model <- lm(
    Reaction ~ Days + twice + factor(Subject == "308"),
    data,
    weights = w
  )
  mixed <- suppressMessages(rlmm(
    Reaction ~ Days + twice + factor(Subject == "308") + (1 | Subject),
    data,
    weights = w
  ))
  for (full in c(FALSE, TRUE)) {
    expect_identical(case.names(mixed, full), case.names(linear_model, full))
    # lm() has dropped columns after the others.
    expect_setequal(
      variable.names(mixed, full),
      variable.names(linear_model, full)
    )
  }
  expect_identical(labels(linear), labels(lm(Reaction ~ Days, sleepstudy)))
})
