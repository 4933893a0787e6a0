"""Backdoors of image models: is a model poisoned, is an input, what is the trigger, and what would the answer be without it.

Arrays of images and a function that answers labels are all that it knows; models and files are the verbs' business.
"""
