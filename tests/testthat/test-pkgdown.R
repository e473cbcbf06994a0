# The site's index, where the sources are.
site_index <- function() {
  file <- test_path("..", "..", "_pkgdown.yml")
  skip_if_not(file.exists(file), "the package's sources are not here")
  text <- paste(readLines(file), collapse = " ")
  text <- sub(".*reference:", "", text)
  entries <- regmatches(text, gregexpr("contents: *(\\[[^]]*\\]|\\S+)", text))
  entries <- gsub("contents: *|\\[|\\]", "", unlist(entries))
  trimws(unlist(strsplit(entries, ",", fixed = TRUE)))
}

# The names by which each help page is found.
page_aliases <- function() {
  files <- list.files(test_path("..", "..", "man"), "[.]Rd$", full.names = TRUE)
  lapply(files, function(file) {
    lines <- readLines(file)
    found <- grep("^\\\\(alias|name)\\{", lines, value = TRUE)
    found <- sub("^\\\\(alias|name)\\{(.*)\\}$", "\\2", found)
    gsub("\\%", "%", found, fixed = TRUE)
  })
}

test_that("every export has a help page that the site's index names", {
  index <- site_index()
  pages <- page_aliases()
  is_listed <- vapply(pages, \(aliases) any(aliases %in% index), NA)
  prefix <- sub(
    'starts_with\\("(.*)"\\)',
    "\\1",
    grep("^starts", index, value = TRUE)
  )
  for (start in prefix) {
    is_listed <- is_listed |
      vapply(pages, \(page) any(startsWith(page, start)), NA)
  }
  exports <- grep(
    "^[.]__",
    getNamespaceExports("rlmm"),
    value = TRUE,
    invert = TRUE
  )
  expect_identical(setdiff(exports, unlist(pages[is_listed])), character())
})

test_that("the site's index names pages that there are", {
  index <- grep("^starts_with", site_index(), value = TRUE, invert = TRUE)
  expect_identical(setdiff(index, unlist(page_aliases())), character())
  expect_identical(anyDuplicated(index), 0L)
})
