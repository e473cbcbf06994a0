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
