if size :over 5X {}
