# Writes results as tables for documents, in markdown, HTML and LaTeX.

#' Tables for documents
#'
#' Writes a fit, its summary, its variances or a comparison of fits as tables for a document, in
#' markdown, HTML or LaTeX. `toLatex()` is a shortcut for LaTeX.
#'
#' In documents of knitr (R Markdown, Quarto), a chunk that ends in a fit, its `summary()`, its
#' `VarCorr()` or a table of `anova()`, `ranova()`, `drop1()` or `add1()` shows these tables
#' automatically. The chunk option `render = knitr::normal_print` keeps the text of the console,
#' `knitr::opts_chunk$set(render = knitr::normal_print)` in all chunks.
#'
#' The tables have the estimates and notes, but not the quantiles of the residuals and the
#' correlations of the fixed effects that the text of a summary has.
#'
#' @param x,object A fit of [rlmm()], [rglmm()], [rnlmm()] or [lmList()], or the result of its
#'   `summary()`, `VarCorr()`, `anova()`, `ranova()`, `drop1()` or `add1()`.
#' @param type The format: `"markdown"` (a pipe table), `"html"` or `"latex"` (a `tabular` that
#'   needs no packages).
#' @param digits The number of significant digits.
#' @param ... For a fit, arguments of [summary()][summary.rlmm], such as `ddf`; otherwise not used.
#' @return A character vector of lines, of class `"rlmm_markup"`, which prints as it is; for
#'   `toLatex()` of class `"Latex"`.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' markup(fit)
#' markup(VarCorr(fit), "html")
#' toLatex(summary(fit, ddf = "Kenward-Roger"))
#' markup(anova(fit))
#' @export
markup <- function(x, type = c("markdown", "html", "latex"), ...) {
  UseMethod("markup")
}

#' @export
markup.default <- function(x, type, ...) {
  abort_argument(
    "`x` must be a fit, its `summary()`, `VarCorr()` or `anova()`.",
    x = it_is(x),
    arg = "x"
  )
}

#' @rdname markup
#' @export
markup.rlmm <- function(
  x,
  type = c("markdown", "html", "latex"),
  digits = 4L,
  ...
) {
  markup.summary.rlmm(summary(x, ...), type, digits)
}

#' @rdname markup
#' @export
markup.summary.rlmm <- function(
  x,
  type = c("markdown", "html", "latex"),
  digits = 4L,
  ...
) {
  warn_of_dots(...)
  writer <- markup_writer(type, digits)
  cells <- coefficient_cells(coef.summary.rlmm(x), digits)
  tables <- list(cells, format(x$varcor, digits = digits))
  paragraphs <- c(
    if (nrow(x$coefficients) == 0L) "No fixed effects.",
    criterion_sentence(x$AICtab),
    groups_sentence(x),
    joined_notes(x$notes)
  )
  as_markup(c(
    model_paragraph(x, writer),
    lapply(tables, markup_table, writer),
    lapply(paragraphs, markup_paragraph, writer)
  ))
}

#' @rdname markup
#' @export
markup.VarCorr.rlmm <- function(
  x,
  type = c("markdown", "html", "latex"),
  digits = 4L,
  ...
) {
  warn_of_dots(...)
  writer <- markup_writer(type, digits)
  as_markup(c(
    list(markup_table(format(x, digits = digits), writer)),
    lapply(joined_notes(attr(x, "held")), markup_paragraph, writer)
  ))
}

#' @rdname markup
#' @export
markup.anova <- function(
  x,
  type = c("markdown", "html", "latex"),
  digits = 4L,
  ...
) {
  warn_of_dots(...)
  writer <- markup_writer(type, digits)
  # A subset of a table has lost its heading.
  heading <- as.character(attr(x, "heading"))
  heading <- unlist(strsplit(heading, "\n", fixed = TRUE))
  heading <- heading[nzchar(heading)]
  as_markup(c(
    lapply(heading, markup_paragraph, writer),
    list(markup_table(comparison_cells(x, digits), writer))
  ))
}

#' @rdname markup
#' @importFrom utils toLatex
#' @export
toLatex.rlmm <- function(object, ...) as_latex(markup(object, "latex", ...))

#' @rdname markup
#' @export
toLatex.summary.rlmm <- toLatex.rlmm

#' @rdname markup
#' @export
toLatex.VarCorr.rlmm <- toLatex.rlmm

#' @rdname markup
#' @export
toLatex.rlmm_anova <- toLatex.rlmm

#' @export
print.rlmm_markup <- function(x, ...) {
  warn_of_dots(...)
  writeLines(x)
  invisible(x)
}

as_latex <- function(lines) structure(unclass(lines), class = "Latex")

# Joins blocks with an empty line between them.
as_markup <- function(blocks) {
  blocks <- Filter(length, blocks)
  lines <- unlist(lapply(blocks, \(block) c(block, "")))
  structure(lines[-length(lines)], class = "rlmm_markup")
}

# In documents ------------------------------------------------------------

#' The tables in the format of the document that knitr makes
#' @rawNamespace S3method(knitr::knit_print, rlmm)
#'   S3method(knitr::knit_print, summary.rlmm)
#'   S3method(knitr::knit_print, VarCorr.rlmm)
#'   S3method(knitr::knit_print, rlmm_anova)
#'   S3method(knitr::knit_print, rlmm_markup)
#' @noRd
knit_print.rlmm <- function(x, ...) {
  knit_print.rlmm_markup(markup(x, document_type()))
}

knit_print.summary.rlmm <- knit_print.rlmm

knit_print.VarCorr.rlmm <- knit_print.rlmm

knit_print.rlmm_anova <- knit_print.rlmm

knit_print.rlmm_markup <- function(x, ...) {
  knitr::asis_output(paste(c("", x, "", ""), collapse = "\n"))
}

document_type <- function() {
  format <- knitr::opts_knit$get("out.format") %||% "markdown"
  switch(
    format,
    html = "html",
    latex = ,
    sweave = ,
    listings = "latex",
    "markdown"
  )
}

# Contents ----------------------------------------------------------------

model_paragraph <- function(x, writer) {
  title <- writer$strong(writer$escape(x$methTitle))
  family <- if (!is.null(x$family)) {
    writer$escape(sprintf(", %s (%s)", x$family, x$link))
  }
  text <- paste(trimws(deparse(x$formula)), collapse = " ")
  formula <- writer$code(text)
  writer$paragraph(paste0(title, family, ": ", formula))
}

criterion_sentence <- function(table) {
  labels <- c(REML = "REML criterion", df.resid = "residual df")
  shown <- names(table)
  known <- shown %in% names(labels)
  shown[known] <- labels[shown[known]]
  values <- format_decimals(table)
  values[names(table) == "df.resid"] <- format(table["df.resid"])
  paste0(paste0(shown, ": ", values, collapse = ", "), ".")
}

groups_sentence <- function(x) {
  groups <- paste(names(x$ngrps), x$ngrps, sep = ", ", collapse = "; ")
  paste0("Number of obs: ", x$nobs, ", groups: ", groups, ".")
}

# Notes with their line breaks removed.
joined_notes <- function(lines) {
  if (length(lines) == 0L) {
    return(NULL)
  }
  first <- cumsum(!startsWith(lines, " "))
  notes <- tapply(
    trimws(lines),
    first,
    paste,
    collapse = " "
  )
  as.vector(notes)
}

# Columns of statistics, and of degrees of freedom that may not be integers.
ratio_columns <- "value|Chisq|LRT|^df$|DenDF|Pr[(]"

# Formats a column of numbers: p-values, ratios and integers have their own formats.
number_cells <- function(values, name, digits) {
  if (!is.numeric(values)) {
    text <- as.character(values)
  } else if (startsWith(name, "Pr(")) {
    text <- format.pval(values, digits = max(1L, digits - 1L))
  } else if (grepl(ratio_columns, name)) {
    text <- format(round(values, digits - 2L), digits = digits + 1L)
  } else {
    text <- format_column(values, digits)
  }
  ifelse(is.na(values), "", trimws(text))
}

coefficient_cells <- function(table, digits) {
  if (nrow(table) == 0L) {
    return(matrix("", 0L, 1L, dimnames = list(NULL, "Fixed effect")))
  }
  columns <- Map(
    number_cells,
    asplit(table, 2L),
    colnames(table),
    digits = digits
  )
  cells <- matrix(unlist(columns), nrow(table))
  cells <- cbind(rownames(table), cells)
  colnames(cells) <- c("Fixed effect", colnames(table))
  cells
}

comparison_cells <- function(x, digits) {
  # Criteria have more digits, as their differences matter.
  digits <- ifelse(
    grepl(ratio_columns, names(x)),
    digits,
    max(digits, 6L)
  )
  columns <- Map(number_cells, x, names(x), digits)
  cells <- matrix(unlist(columns), nrow(x), length(x))
  cells <- cbind(rownames(x), cells)
  colnames(cells) <- c("", names(x))
  cells
}

# Formats -----------------------------------------------------------------

#' Checks the arguments of `markup()` and returns the functions that write a format
#' @noRd
markup_writer <- function(type, digits) {
  check_digits(digits)
  type <- one_of(type, c("markdown", "html", "latex"), "type")
  markup_writers[[type]]
}

markup_paragraph <- function(text, writer) {
  writer$paragraph(marked_text(text, writer))
}

# Text with code between backticks.
marked_text <- function(text, writer) {
  pattern <- "`[^`]*`"
  spans <- regmatches(text, gregexpr(pattern, text))[[1L]]
  between <- strsplit(paste0(text, " "), pattern)[[1L]]
  code <- writer$code(gsub("`", "", spans))
  code <- c(code, rep("", length(between) - length(code)))
  trimws(paste0(writer$escape(between), code, collapse = ""))
}

# The lines of a table: labels to the left, numbers to the right.
markup_table <- function(cells, writer) {
  if (nrow(cells) == 0L) {
    return(NULL)
  }
  is_label <- c("Groups", "Name", "Corr", "", "Fixed effect")
  align <- ifelse(colnames(cells) %in% is_label, "left", "right")
  rows <- rbind(colnames(cells), cells)
  rows[] <- writer$escape(trimws(rows))
  writer$table(
    rows[1L, ],
    unname(rows[-1L, , drop = FALSE]),
    align
  )
}

# Escapes special characters.
escape_with <- function(characters, replacements) {
  function(text) {
    parts <- strsplit(text, "", fixed = TRUE)
    replace <- \(part) {
      at <- match(part, characters)
      paste(ifelse(is.na(at), part, replacements[at]), collapse = "")
    }
    vapply(parts, replace, "", USE.NAMES = FALSE)
  }
}

markdown_special <- strsplit("\\`*_^~$<>|[]#", "")[[1L]]

escape_markdown <- escape_with(
  markdown_special,
  paste0("\\", markdown_special)
)

escape_html <- escape_with(
  c("&", "<", ">", "\""),
  c("&amp;", "&lt;", "&gt;", "&quot;")
)

latex_special <- c("\\", "{", "}", "$", "&", "#", "_", "%", "^", "~", "<", ">")

escape_latex <- escape_with(
  c(latex_special, "|"),
  c(
    "\\textbackslash{}",
    paste0("\\", c("{", "}", "$", "&", "#", "_", "%")),
    "\\textasciicircum{}",
    "\\textasciitilde{}",
    "\\textless{}",
    "\\textgreater{}",
    "\\textbar{}"
  )
)

pipe_row <- function(cells) paste0("| ", paste(cells, collapse = " | "), " |")

pipe_table <- function(header, rows, align) {
  c(
    pipe_row(header),
    pipe_row(ifelse(align == "left", ":---", "---:")),
    apply(rows, 1L, pipe_row)
  )
}

html_row <- function(cells, tag, align) {
  cells <- sprintf('<%s align="%s">%s</%s>', tag, align, cells, tag)
  paste0("<tr>", paste(cells, collapse = ""), "</tr>")
}

html_table <- function(header, rows, align) {
  c(
    "<table>",
    paste0("<thead>", html_row(header, "th", align), "</thead>"),
    "<tbody>",
    apply(
      rows,
      1L,
      html_row,
      tag = "td",
      align = align
    ),
    "</tbody>",
    "</table>"
  )
}

latex_row <- function(cells) paste0(paste(cells, collapse = " & "), " \\\\")

latex_table <- function(header, rows, align) {
  columns <- paste(substr(align, 1L, 1L), collapse = "")
  c(
    paste0("\\begin{tabular}{", columns, "}"),
    "\\hline",
    latex_row(header),
    "\\hline",
    apply(rows, 1L, latex_row),
    "\\hline",
    "\\end{tabular}"
  )
}

markup_writers <- list(
  markdown = list(
    escape = escape_markdown,
    strong = \(text) paste0("**", text, "**"),
    code = \(text) {
      ifelse(
        grepl("`", text),
        paste0("`` ", text, " ``"),
        paste0("`", text, "`", recycle0 = TRUE)
      )
    },
    paragraph = identity,
    table = pipe_table
  ),
  html = list(
    escape = escape_html,
    strong = \(text) paste0("<strong>", text, "</strong>"),
    code = \(text) {
      paste0("<code>", escape_html(text), "</code>", recycle0 = TRUE)
    },
    paragraph = \(text) paste0("<p>", text, "</p>"),
    table = html_table
  ),
  latex = list(
    escape = escape_latex,
    strong = \(text) paste0("\\textbf{", text, "}"),
    code = \(text) {
      paste0("\\texttt{", escape_latex(text), "}", recycle0 = TRUE)
    },
    paragraph = identity,
    table = latex_table
  )
)
