"""One desk per page: takes the page's wishes to the application and brings the answers back.

Pages know nothing but what they show; desks hold no widgets of their own. What concerns two pages is wired in
`main_window`.
"""
