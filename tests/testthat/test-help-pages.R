# What the help pages are held to; only where the package's sources are.
help_pages <- function() {
  folder <- test_path("..", "..", "man")
  skip_if_not(dir.exists(folder), "the package's sources are not here")
  files <- list.files(folder, "[.]Rd$", full.names = TRUE)
  lapply(stats::setNames(files, basename(files)), readLines, encoding = "UTF-8")
}

words_in <- function(text, pattern) {
  unlist(regmatches(text, gregexpr(pattern, text, perl = TRUE)))
}

test_that("links to what the package has lead to its own pages", {
  pages <- help_pages()
  pages[["reexports.Rd"]] <- NULL
  own <- words_in(unlist(pages), "(?<=^.alias.)[^}]+")
  links <- words_in(unlist(pages), "(?<=link.)[a-zA-Z0-9.]+:[^]]+(?=\\])")
  expect_gt(length(own), 200)
  expect_identical(intersect(sub("^[^:]+:", "", links), own), character())
})

test_that("every page of a function says what it returns", {
  pages <- help_pages()
  is_function <- vapply(pages, \(text) any(startsWith(text, "\\usage{")), NA)
  is_data <- vapply(pages, \(text) any(text == "\\docType{data}"), NA)
  says <- vapply(pages, \(text) any(startsWith(text, "\\value{")), NA)
  expect_identical(names(pages)[is_function & !is_data & !says], character())
})

test_that("code is marked as code: no backtick of markdown is left in the text", {
  # A line that begins with an operator ends the code of the line before it and makes a list.
  pages <- lapply(help_pages(), \(text) {
    examples <- which(startsWith(text, "\\examples{"))
    text <- if (length(examples) > 0L) head(text, examples[[1L]] - 1L) else text
    text[!startsWith(text, "%")]
  })
  has_backtick <- vapply(pages, \(text) any(grepl("`", text, fixed = TRUE)), NA)
  expect_identical(names(pages)[has_backtick], character())
})
