# The examples of lmerTest's help pages, with `lmer` replaced: tables are lmerTest's to 1e-4.

# The numbers of a table; of step() those of both of its tables.
numbers_of <- function(value) {
  if (inherits(value, c("rlmm", "merMod"))) {
    return(NULL)
  }
  if (inherits(value, "step_list")) {
    value <- c(value$random, value$fixed)
  } else if (inherits(value, c("summary.merMod", "summary.rlmm"))) {
    value <- as.data.frame(coef(value))
  } else if (is.matrix(value)) {
    value <- as.data.frame(value)
  }
  is_column <- \(x) is.numeric(x) && is.null(dim(x))
  if (is.list(value)) {
    unlist(Filter(is_column, unclass(value)), use.names = FALSE)
  }
}

quiet_value <- function(expr, envir) {
  suppressMessages(suppressWarnings(eval(expr, envir)))
}

# Whether an expression differs from lmerTest's on purpose: ranova() has a column more, and drop1()
# without a test is lme4's.
is_ours <- function(expr) {
  text <- paste(deparse(expr), collapse = " ")
  grepl("ranova(", text, fixed = TRUE) ||
    grepl("drop1\\((fm[0-9]?|lmer\\(.*\\))\\)$", text)
}

example_expressions <- function(page) {
  file <- withr::local_tempfile()
  tools::Rd2ex(page, file)
  if (!file.exists(file)) {
    return(NULL)
  }
  Filter(
    \(expr) !grepl("^(library|plot|load)\\(", deparse(expr)[1L]),
    as.list(parse(file, keep.source = FALSE))
  )
}

expect_same_numbers <- function(theirs, ours, info) {
  expected <- numbers_of(theirs)
  found <- numbers_of(ours)
  expect_length(found, length(expected))
  if (length(expected) == length(found) && length(expected) > 0L) {
    # Their optimum of `carrots` has four digits, and of the singular model of `TVbo` three.
    gap <- abs(found - expected) / (1e-2 + abs(expected))
    expect_lt(max(gap, 0, na.rm = TRUE), 4e-4, label = info)
  }
}

test_that("lmerTest's examples have its numbers", {
  skip_on_cran()
  skip_if_not_installed("lmerTest", "3.2")
  pages <- tools::Rd_db("lmerTest")
  pages <- pages[setdiff(names(pages), "legacy.Rd")]
  space <- as.environment(getNamespace("lmerTest"))
  for (name in names(pages)) {
    theirs <- new.env(parent = space)
    ours <- new.env(parent = space)
    ours$lmer <- rlmm
    for (export in c("contest", "contest1D", "contestMD", "ranova")) {
      ours[[export]] <- getExportedValue("rlmm", export)
    }
    for (data in c("ham", "carrots", "TVbo")) {
      utils::data(list = data, package = "lmerTest", envir = theirs)
      assign(data, theirs[[data]], ours)
    }
    for (expr in example_expressions(pages[[name]])) {
      expected <- quiet_value(expr, theirs)
      found <- quiet_value(expr, ours)
      if (!is_ours(expr)) {
        expect_same_numbers(expected, found, deparse(expr)[1L])
      }
    }
  }
})
