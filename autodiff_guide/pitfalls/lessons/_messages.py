"""Messages behind which there is more than one mistake."""

NO_HISTORY = "does not require grad and does not have a grad_fn"
NONE_AS_NUMBER = (
    r"unsupported operand type\(s\) for \S+ "
    "('(float|int|Tensor)' and 'NoneType'|'NoneType' and '(float|int|Tensor)')"
)
