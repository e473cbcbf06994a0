# The cells of the pipe tables among lines of markdown, a list of matrices with their header.
pipe_tables <- function(lines) {
  is_row <- startsWith(lines, "|")
  table <- cumsum(c(TRUE, diff(is_row) != 0))[is_row]
  lapply(split(lines[is_row], table), function(rows) {
    rows <- gsub("\\|", "/", rows, fixed = TRUE)
    cells <- strsplit(gsub("^[|] | [|]$", "", rows), " | ", fixed = TRUE)
    width <- length(cells[[1L]])
    cells <- t(vapply(cells[-2L], `[`, character(width), seq_len(width)))
    cells[is.na(cells)] <- ""
    gsub("\\", "", cells, fixed = TRUE)
  })
}

fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)

test_that("the tables of a summary hold its numbers", {
  tables <- pipe_tables(markup(summary(fit)))
  fixed <- tables[[1L]]
  expect_identical(
    fixed[1L, -1L],
    c(
      "Estimate",
      "Std. Error",
      "df",
      "t value",
      "Pr(>/t/)"
    )
  )
  expect_identical(fixed[-1L, 1L], names(fixef(fit)))
  found <- as.numeric(fixed[-1L, 2:5])
  expect_equal(found, c(coef(summary(fit))[, 1:4]), tolerance = 1e-3)
  random <- tables[[2L]]
  stddev <- as.data.frame(VarCorr(fit), order = "lower.tri")$sdcor[c(1, 3, 4)]
  expect_equal(as.numeric(random[-1L, 4L]), stddev, tolerance = 1e-3)
})

test_that("every type has the same cells", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    family = binomial
  )
  markdown <- unlist(pipe_tables(markup(fit)))
  html <- grep("^<t(r|head)", markup(fit, "html"), value = TRUE)
  cells <- unlist(regmatches(html, gregexpr('(?<=">)[^<]*', html, perl = TRUE)))
  cells <- gsub("&gt;", ">", gsub("&lt;", "<", cells))
  expect_setequal(gsub("|", "/", cells, fixed = TRUE), markdown)
  latex <- grep("\\\\\\\\$", toLatex(fit), value = TRUE)
  cells <- unlist(strsplit(sub(" *\\\\\\\\$", "", latex), " & ", fixed = TRUE))
  cells <- gsub("\\textgreater{}", ">", cells, fixed = TRUE)
  cells <- gsub("\\textless{}", "<", cells, fixed = TRUE)
  cells <- gsub("\\textbar{}", "/", cells, fixed = TRUE)
  expect_setequal(trimws(cells), markdown)
})

test_that("comparisons have their heading and numbers", {
  other <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  compared <- suppressMessages(anova(fit, other))
  table <- pipe_tables(markup(compared))[[1L]]
  expect_equal(as.numeric(table[-1L, 3L]), compared$AIC, tolerance = 1e-5)
  expect_identical(table[2L, 7:9], c("", "", ""))
  expect_match(markup(ranova(fit)), "Single term deletions", all = FALSE)
})

test_that("what means something in a language is escaped", {
  data <- transform(
    sleepstudy,
    a_b = Days,
    `x*<y>` = Days^2,
    check.names = FALSE
  )
  fit <- rlmm(Reaction ~ a_b + `x*<y>` + (1 | Subject), data)
  expect_match(markup(fit), "| a\\_b |", fixed = TRUE, all = FALSE)
  expect_match(markup(fit), "x\\*\\<y\\>", fixed = TRUE, all = FALSE)
  expect_match(markup(fit, "html"), "x*&lt;y&gt;", fixed = TRUE, all = FALSE)
  expect_match(toLatex(fit), "a\\_b &", fixed = TRUE, all = FALSE)
})

test_that("notes of a singular fit are told", {
  zero <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  expect_match(markup(zero), "The fit is singular", all = FALSE)
})

test_that("a model without fixed effects says so", {
  fit <- rlmm(Reaction ~ 0 + (1 | Subject), sleepstudy)
  expect_length(pipe_tables(markup(fit)), 1L)
  expect_match(markup(fit), "No fixed effects", all = FALSE)
})

test_that("documents show tables, or text where it is asked for", {
  skip_if_not_installed("knitr")
  document <- c(
    "```{r}",
    "fit",
    "VarCorr(fit)",
    "```",
    "```{r, render = knitr::normal_print}",
    "summary(fit)",
    "```"
  )
  made <- knitr::knit(text = document, quiet = TRUE, envir = environment())
  lines <- strsplit(made, "\n", fixed = TRUE)[[1L]]
  expect_length(pipe_tables(lines), 3L)
  expect_match(lines, "^## Random effects:", all = FALSE)
})

test_that("documents show tables of tests, and parts of them", {
  skip_if_not_installed("knitr")
  smaller <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  constant <- rlmm(Reaction ~ 1 + (1 | Subject), sleepstudy)
  with_note <- anova(fit)
  with_note$note <- "a word"
  tables <- list(
    anova(fit),
    anova(fit, ddf = "none"),
    suppressMessages(anova(fit, smaller)),
    ranova(fit),
    drop1(fit, test = "F"),
    add1(constant, ~ . + Days, test = "Chisq"),
    anova(fit)[, c("F value", "Pr(>F)")],
    ranova(fit)[-1L, ],
    with_note
  )
  for (table in tables) {
    document <- c("```{r}", "table", "```")
    made <- knitr::knit(text = document, quiet = TRUE, envir = environment())
    shown <- pipe_tables(strsplit(made, "\n", fixed = TRUE)[[1L]])
    expect_length(shown, 1L)
    expect_identical(dim(shown[[1L]]), dim(table) + 1L)
    expect_s3_class(toLatex(table), "Latex")
    expect_match(markup(table, "html"), "<table>", fixed = TRUE, all = FALSE)
  }
  expect_length(pipe_tables(markup(anova(constant))), 0L)
})

test_that("other things are refused", {
  expect_snapshot(cat(error_lines(markup(1)), sep = "\n"))
  expect_snapshot(cat(error_lines(markup(fit, "docx")), sep = "\n"))
})

test_that("tables of a nonlinear fit hold its numbers", {
  start <- c(Asym = 200, xmid = 725, scal = 350)
  fit <- rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
    Orange,
    start = start
  )
  tables <- pipe_tables(markup(fit))
  found <- as.numeric(tables[[1L]][-1L, 2:4])
  expect_equal(found, c(coef(summary(fit))), tolerance = 1e-3)
  stddev <- as.data.frame(VarCorr(fit))$sdcor
  expect_equal(as.numeric(tables[[2L]][-1L, 4L]), stddev, tolerance = 1e-3)
  expect_identical(markup(summary(fit), "html"), markup(fit, "html"))
  expect_s3_class(toLatex(fit), "Latex")
})

test_that("the table of regressions by group has a row for each", {
  fits <- lmList(Reaction ~ Days | Subject, sleepstudy)
  table <- pipe_tables(markup(fits))[[1L]]
  expect_identical(table[-1L, 1L], names(fits))
  found <- as.numeric(table[-1L, 2:3])
  expect_equal(found, unlist(coef(fits), use.names = FALSE), tolerance = 1e-3)
})
