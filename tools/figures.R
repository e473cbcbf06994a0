# How dense the code is: functions, their lines and tokens, tokens per line of code, long lines,
# crowded lines. A token is an identifier, a number, a string, or a mark of punctuation; comments
# and tests don't count. Usage, in the checkout: Rscript tools/figures.R

# R ---------------------------------------------------------------------------

r_figures <- function(file) {
  expressions <- parse(file, keep.source = TRUE)
  data <- utils::getParseData(expressions)
  tokens <- data[data$terminal & data$token != "COMMENT", ]
  lines <- readLines(file)
  list(
    functions = r_functions(expressions, tokens, basename(file)),
    token_lines = tokens$line1,
    closure_lines = tokens$line1[tokens$token %in% c("FUNCTION", "'\\\\'")],
    long = which(nchar(lines) > 100),
    file = file
  )
}

# The functions that are assigned at the top level: name, lines, tokens.
r_functions <- function(expressions, tokens, file) {
  found <- Map(r_function, expressions, attr(expressions, "srcref"))
  found <- do.call(rbind, found)
  if (is.null(found)) {
    return(NULL)
  }
  within <- \(from, to) sum(tokens$line1 >= from & tokens$line1 <= to)
  data.frame(
    name = found$name,
    file = file,
    lines = found$to - found$from + 1,
    tokens = mapply(within, found$from, found$to)
  )
}

r_function <- function(expression, place) {
  is_assignment <- is.call(expression) && expression[[1]] == quote(`<-`)
  if (!is_assignment || !is.call(expression[[3]])) {
    return(NULL)
  }
  if (!identical(expression[[3]][[1]], quote(`function`))) {
    return(NULL)
  }
  name <- paste(deparse(expression[[2]]), collapse = "")
  data.frame(name = name, from = place[1], to = place[3])
}

# Rust ------------------------------------------------------------------------

rust_patterns <- c(
  comment = "//[^\n]*|/\\*(?s:.*?)\\*/",
  string = "b?r#*\"(?s:.*?)\"#*|b?\"(?:\\\\(?s:.)|[^\"\\\\])*\"",
  character = "b?'(?:\\\\[^'\n]+|[^'\\\\\n])'",
  lifetime = "'[A-Za-z_]\\w*",
  number = "\\d[\\w]*(?:\\.\\d[\\w]*)?(?:(?<=[eE])[+-]\\d+)?",
  word = "[A-Za-z_]\\w*",
  mark = "\\S"
)

rust_tokens <- function(text) {
  pattern <- paste(rust_patterns, collapse = "|")
  at <- gregexpr(pattern, text, perl = TRUE)[[1]]
  token <- substring(text, at, at + attr(at, "match.length") - 1)
  breaks <- gregexpr("\n", text, fixed = TRUE)[[1]]
  tokens <- data.frame(
    text = token,
    line = findInterval(as.integer(at), breaks) + 1L
  )
  without_tests(tokens[!grepl("^(//|/\\*)", tokens$text), ])
}

# The index of the mark that closes what `tokens[open]` opens.
closing <- function(tokens, open) {
  pair <- c("{" = "}", "(" = ")", "[" = "]")
  rest <- tokens[open:length(tokens)]
  depth <- cumsum((rest == tokens[open]) - (rest == pair[[tokens[open]]]))
  open - 1L + which(depth == 0)[1]
}

# Takes away every item under `#[cfg(test)]`: a module, a function, or a declaration.
without_tests <- function(tokens) {
  mark <- c("#", "[", "cfg", "(", "test", ")", "]")
  repeat {
    text <- tokens$text
    starts <- which(text == "#")
    is_mark <- \(i) identical(text[i - 1 + seq_along(mark)], mark)
    start <- Find(is_mark, starts)
    if (is.null(start)) {
      return(tokens)
    }
    rest <- seq_along(text) > start + length(mark) - 1
    end <- which(rest & text %in% c("{", ";"))[1]
    if (text[end] == "{") {
      end <- closing(text, end)
    }
    tokens <- tokens[-(start:end), ]
  }
}

rust_figures <- function(file) {
  text <- paste(readLines(file), collapse = "\n")
  tokens <- rust_tokens(text)
  list(
    functions = rust_functions(tokens, basename(file)),
    token_lines = tokens$line,
    closure_lines = tokens$line[opens_closure(tokens$text)],
    long = which(nchar(strsplit(text, "\n", fixed = TRUE)[[1]]) > 100),
    file = file
  )
}

# A bar opens a closure where an expression begins.
opens_closure <- function(text) {
  before <- c("", text[-length(text)])
  arrow <- before == ">" &
    c("", "", utils::head(text, -2))[seq_along(text)] == "="
  begins <- c("(", ",", "=", "{", "}", ";", "move", "return")
  text == "|" & (before %in% begins | arrow)
}

# Outermost functions that have a body.
rust_functions <- function(tokens, file) {
  found <- list()
  done <- 0L
  for (start in which(tokens$text == "fn")) {
    end <- if (start > done) body_end(tokens$text, start) else NA
    if (is.na(end)) {
      next
    }
    found[[length(found) + 1]] <- data.frame(
      name = tokens$text[start + 1],
      file = file,
      lines = tokens$line[end] - tokens$line[start] + 1,
      tokens = end - start + 1
    )
    done <- end
  }
  do.call(rbind, found)
}

# `NA` for a type `fn(...)` and for a declaration without a body.
body_end <- function(text, start) {
  if (!grepl("^[A-Za-z_]", text[start + 1])) {
    return(NA)
  }
  i <- start
  while (!text[i] %in% c("{", ";")) {
    i <- if (text[i] %in% c("(", "[")) closing(text, i) + 1L else i + 1L
  }
  if (text[i] == "{") closing(text, i) else NA
}

# Both ------------------------------------------------------------------------

quantiles <- function(x, probs) {
  round(stats::quantile(x, probs, names = FALSE, type = 1), 1)
}

report <- function(title, figures) {
  functions <- do.call(rbind, lapply(figures, `[[`, "functions"))
  lines <- quantiles(functions$lines, c(0.5, 0.9, 1))
  tokens <- quantiles(functions$tokens, c(0.5, 0.9, 1))
  n_lines <- sum(vapply(figures, \(f) length(unique(f$token_lines)), 1L))
  n_tokens <- sum(vapply(figures, \(f) length(f$token_lines), 1L))
  long <- sum(vapply(figures, \(f) length(f$long), 1L))
  crowded <- lapply(figures, \(f) {
    unique(f$closure_lines[duplicated(f$closure_lines)])
  })
  cat(
    title,
    sprintf(
      "  files, functions:           %d, %d",
      length(figures),
      nrow(functions)
    ),
    sprintf(
      "  lines per function:         median %g, 90th percentile %g, longest %g",
      lines[1],
      lines[2],
      lines[3]
    ),
    sprintf(
      "  tokens per function:        median %g, 90th percentile %g, most %g",
      tokens[1],
      tokens[2],
      tokens[3]
    ),
    sprintf(
      "  tokens per line of code:    %.1f (%d lines)",
      n_tokens / n_lines,
      n_lines
    ),
    sprintf("  lines over 100 columns:     %d", long),
    sprintf("  lines with several closures: %d", sum(lengths(crowded))),
    sep = "\n"
  )
  show_longest(functions)
  show_places(figures, crowded)
}

show_longest <- function(functions, n = 8L) {
  longest <- functions[order(-functions$lines), ][seq_len(n), ]
  cat(
    "  longest functions (lines, tokens):",
    sprintf(
      "    %4d %5d  %s, %s",
      longest$lines,
      longest$tokens,
      longest$name,
      longest$file
    ),
    "",
    sep = "\n"
  )
}

# The first long and crowded lines, to find them.
show_places <- function(figures, crowded, n = 5L) {
  place <- \(figure, lines) sprintf("%s:%d", basename(figure$file), lines)
  long <- unlist(lapply(figures, \(figure) place(figure, figure$long)))
  several <- unlist(Map(place, figures, crowded))
  if (length(long) > 0) {
    cat("  long:", utils::head(long, n), "\n")
  }
  if (length(several) > 0) {
    cat("  crowded:", utils::head(several, n), "\n")
  }
  cat("\n")
}

files_in <- function(folder, extension) {
  pattern <- paste0("[.]", extension, "$")
  list.files(folder, pattern, recursive = TRUE, full.names = TRUE)
}

r_files <- setdiff(files_in("R", "R"), "R/extendr-wrappers.R")
rust_files <- c(
  files_in("src/rust/core/src", "rs"),
  files_in("src/rust/src", "rs")
)
rust_files <- rust_files[!grepl("(^|/|_)tests?[./]", rust_files)]
report("R", lapply(r_files, r_figures))
report("Rust", lapply(rust_files, rust_figures))
