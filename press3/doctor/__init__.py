"""`press3 doctor`: looks at what press3 needs, says what is wrong and what to do; changes nothing."""
